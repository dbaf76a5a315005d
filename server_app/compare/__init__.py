"""From finished runs, methods by seeds, to one honest comparison."""
