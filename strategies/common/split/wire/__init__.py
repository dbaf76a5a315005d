"""Frames of the stream on which activations and gradients travel."""
