"""Image generators that the server can host, behind one protocol."""
