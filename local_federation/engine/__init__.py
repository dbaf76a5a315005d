"""An engine for one machine: the real server and clients, without Flower's processes."""
