"""What a client of a split network costs the device that carries it."""
