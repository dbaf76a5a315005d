"""TAResSFL's first stage: a client model trained against decoders, attacked by fresh ones."""
