"""A client's trained model as a folder that stands by itself: how it is written and read back."""
