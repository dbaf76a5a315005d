"""The clean rendering: tinted digits on black."""

import torch
from torch import Tensor

from client_app.data.digitgrid.grids import Grids
from client_app.data.digitgrid.handwriting import Handwriting

# Side in pixels of a picture of 2x2 cells.
SIDE = 32

# In the order of ``COLOURS``; far apart in hue, and none much darker than the others.
TINTS = ((255, 60, 60), (255, 225, 40), (50, 215, 80), (80, 125, 255), (225, 80, 240))


def paint(grids: Grids, sheet: Handwriting) -> Tensor:
    """Paint pictures.

    Returns
    -------
    Tensor
        (pictures, 3, 32, 32) uint8.
    """
    ink = sheet.ink[grids.handwriting].to(torch.float32).div_(255.0)
    tints = torch.tensor(TINTS, dtype=torch.float32)[grids.colours]
    cells = ink.unsqueeze(2) * tints[..., None, None]  # (pictures, cells, 3, 16, 16)
    quarters = cells.reshape(len(grids), 2, 2, 3, *ink.shape[2:])  # rows and columns of cells
    pictures = quarters.permute(0, 3, 1, 4, 2, 5).reshape(len(grids), 3, SIDE, SIDE)
    return pictures.round_().to(torch.uint8)
