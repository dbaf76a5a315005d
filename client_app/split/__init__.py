"""A device's end of the data plane."""
