"""Networks that are cut in two: a client's part in front, the server's part behind."""
