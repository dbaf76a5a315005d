"""One folder per method: both halves and the wire between them."""
