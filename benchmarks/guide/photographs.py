"""Photographs for boards: a shape on a ground of noise, in folders named after the shapes."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image, ImageDraw

SHAPES: Final[Mapping[str, Callable[[ImageDraw.ImageDraw, list[int], str], None]]] = {
    "disc": lambda canvas, box, colour: canvas.ellipse(box, fill=colour),
    "frame": lambda canvas, box, colour: canvas.rectangle(box, outline=colour, width=4),
    "stroke": lambda canvas, box, colour: canvas.line(box, fill=colour, width=6),
}
EACH: Final = 30
_SIDE: Final = 48
_COLOURS: Final = ("gold", "orchid", "skyblue", "tomato", "white")


def draw(folder: Path, seed: int) -> int:
    """Draw a board's own photographs, and return how many.

    Parameters
    ----------
    folder : Path
        Takes a folder for each shape, with ``EACH`` files of JPEG, 48 x 48 pixels in colour.
    seed : int
        Other boards have others.
    """
    random = np.random.default_rng(seed)
    for name, put in SHAPES.items():
        (folder / name).mkdir(parents=True)
        for number in range(EACH):
            ground = random.integers(0, 96, (_SIDE, _SIDE, 3), dtype=np.uint8)
            image = Image.fromarray(ground)
            left, top = (int(n) for n in random.integers(2, _SIDE // 3, 2))
            size = int(random.integers(_SIDE // 3, _SIDE // 2))
            colour = str(random.choice(_COLOURS))
            put(ImageDraw.Draw(image), [left, top, left + size, top + size], colour)
            image.save(folder / name / f"{number}.jpg", quality=90)
    return EACH * len(SHAPES)
