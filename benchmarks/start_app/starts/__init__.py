"""A Flower app whose clients do nothing but say when they could begin."""
