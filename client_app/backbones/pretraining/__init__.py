"""How the backbone ``digitgrid`` comes about: a tiny ViLT learns words on its own pictures."""
