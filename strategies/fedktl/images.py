"""From the generator's pictures to images of the clients' shape."""

import math

import torch
from torch import Tensor
from torch.nn import functional

_RED_GREEN_BLUE = 3
# ITU-R BT.601, section 2.5.1, to the four digits that torchvision takes.
_LUMA = (0.2989, 0.587, 0.114)


def fit(pictures: Tensor, channels: int, height: int, width: int) -> Tensor:
    """Bring pictures to the shape of the clients' inputs.

    A picture is resized, with antialiasing, until it just covers the clients' size, and
    its centre is cut out. One channel gets the luma; three channels get the colours; any
    other number gets the colours in turn.

    Inputs of height 1 are signals over time rather than images. Their channels get the
    luma of as many horizontal bands of the picture, each resized to the signals' length:
    they differ and are alike in the neighbourhood, as the channels of a sensor are.

    Parameters
    ----------
    pictures : Tensor
        (pictures, 3, any height, any width) uint8.
    channels, height, width : int
        Shape of one input of the clients.

    Returns
    -------
    Tensor
        (pictures, channels, height, width) uint8.
    """
    # In float: torch's antialiased kernel for uint8 fails on tiny sizes.
    exact = pictures.float()
    if height == 1:
        return _to_bytes(_luma(_resized(exact, [channels, width])).transpose(1, 2))
    covered = max(height / pictures.shape[2], width / pictures.shape[3])
    size = [math.ceil(round(side * covered, 6)) for side in pictures.shape[2:]]
    top, left = (round((side - kept) / 2) for side, kept in zip(size, (height, width), strict=True))
    cut = _resized(exact, size)[:, :, top : top + height, left : left + width]
    if channels == 1:
        return _to_bytes(_luma(cut))
    return _to_bytes(cut[:, [channel % _RED_GREEN_BLUE for channel in range(channels)]])


def _resized(pictures: Tensor, size: list[int]) -> Tensor:
    """Resize with torch alone: torchvision's own calls this, and costs a server seconds to import."""
    return functional.interpolate(pictures, size, mode="bilinear", antialias=True)


def _luma(pictures: Tensor) -> Tensor:
    red, green, blue = pictures.unbind(dim=1)
    weighted = red.mul(_LUMA[0]).add_(green, alpha=_LUMA[1]).add_(blue, alpha=_LUMA[2])
    return weighted.unsqueeze(1)


def _to_bytes(exact: Tensor) -> Tensor:
    return exact.round().clamp(0, 255).to(torch.uint8).contiguous()
