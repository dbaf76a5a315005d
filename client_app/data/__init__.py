"""From a named source to one client's training and test samples."""
