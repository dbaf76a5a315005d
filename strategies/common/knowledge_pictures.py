"""What clients exchange, as pictures for a report."""

from typing import Final

import torch
from torch import Tensor
from torch.nn import functional

from strategies.common.round import Picture

# Beyond these a picture shows nothing that a number would not.
_MOST_CLASSES: Final = 100
_SIDE: Final = 128
_DOT: Final = 1
# Classes one after another, well apart and legible on white (Okabe and Ito's, and two greys).
_COLOURS: Final = torch.tensor(
    [
        *((0, 114, 178), (230, 159, 0), (0, 158, 115), (213, 94, 0), (204, 121, 167)),
        *((86, 180, 233), (150, 140, 20), (90, 60, 150), (60, 60, 60), (150, 150, 150)),
    ],
    dtype=torch.uint8,
)


def table_pictures(
    name: str, rows: Tensor, labels: Tensor, num_classes: int
) -> tuple[Picture, ...]:
    """Draw distributions by class, one row of pixels each: black where sure, white where not.

    Parameters
    ----------
    name : str
        Of the picture, of (3, class, class).
    rows, labels : Tensor
        (present, class) distributions, and (present,) the class that each is of.
    num_classes : int
        Rows of the picture; those of absent classes stay white.

    Returns
    -------
    tuple[Picture, ...]
        None where there is no row, or too many classes to see anything.
    """
    if num_classes > _MOST_CLASSES or not len(labels):
        return ()
    table = torch.zeros(num_classes, num_classes)
    table[labels] = rows.float().cpu()
    pixels = (255 * (1 - table.clamp(0, 1))).round().to(torch.uint8)
    return (Picture(name, pixels.expand(3, -1, -1)),)


def points_picture(points: Tensor, labels: Tensor) -> Tensor:
    """Draw points on the plane along which they differ most, in a colour for each class.

    Parameters
    ----------
    points, labels : Tensor
        (points, width) float, and (points,) classes.

    Returns
    -------
    Tensor
        (3, 128, 128) uint8.
    """
    # Of one coordinate the plane's other one is 0; a picture ends no round, whatever is in it.
    known = functional.pad(points.float().cpu().nan_to_num(), (0, max(0, 2 - points.shape[1])))
    centred = known - known.mean(0)
    _, _, directions = torch.linalg.svd(centred, full_matrices=False)
    flat = centred @ directions[:2].T
    # A direction has no sign of its own: its largest entry decides, whatever library computes it.
    flat = flat * directions[:2].gather(1, directions[:2].abs().argmax(1, keepdim=True)).T.sign()
    low, high = flat.min(0).values, flat.max(0).values
    span = (high - low).clamp(min=1e-12)
    places = ((flat - low) / span * (_SIDE - 1 - 2 * _DOT)).round().long() + _DOT
    picture = torch.full((3, _SIDE, _SIDE), 255, dtype=torch.uint8)
    colours = _COLOURS[labels.cpu() % len(_COLOURS)]
    for (x, y), colour in zip(places.tolist(), colours, strict=True):
        picture[:, y - _DOT : y + _DOT + 1, x - _DOT : x + _DOT + 1] = colour[:, None, None]
    return picture
