"""What is wrong with a device or a server, and how to mend it."""
