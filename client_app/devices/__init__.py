"""What a half sees of the device that it runs on, kind by kind of method."""
