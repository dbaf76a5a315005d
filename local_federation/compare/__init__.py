"""Methods x seeds x settings, each run once, and one comparison of them all."""
