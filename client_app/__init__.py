"""What a device runs, whatever the method."""
