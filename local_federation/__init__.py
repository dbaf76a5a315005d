"""A federation of processes on this machine, simulated or deployed, started and stopped whole."""
