"""How good a representation is: nearest neighbours, a linear probe, and few labels."""
