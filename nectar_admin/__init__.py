"""For whoever runs a federation: keys, devices, and a watch over a device's connection."""
