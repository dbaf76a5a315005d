"""The server's end of the data plane: one session per round."""
