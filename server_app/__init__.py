"""What the cloud host runs, whatever the method."""
