"""Scripts to begin with: one for each family of methods, and one with a model of one's own."""
