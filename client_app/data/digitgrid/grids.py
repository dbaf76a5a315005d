"""What is on a picture: four cells, each with a digit, its handwriting and a colour."""

from dataclasses import dataclass
from typing import final

from torch import Tensor

# A picture's cells, in the order of every tensor whose last axis is ``cells``.
PLACES = ("top left", "top right", "bottom left", "bottom right")

COLOURS = ("red", "yellow", "green", "blue", "purple")


@final
@dataclass(frozen=True)
class Grids:
    """Pictures before they are painted.

    Attributes
    ----------
    digits : Tensor
        (pictures, cells) int64 from 0 to 9.
    colours : Tensor
        (pictures, cells) int64, positions in ``COLOURS``.
    handwriting : Tensor
        (pictures, cells) int64, which of the handwritten digits is painted.
    """

    digits: Tensor
    colours: Tensor
    handwriting: Tensor

    def __len__(self) -> int:
        """Return the number of pictures."""
        return len(self.digits)
