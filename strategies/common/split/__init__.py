"""What methods share that split a network between devices and server."""
