"""The models that a client can hold, by name."""
