"""Structural similarity of images.

Wang, Bovik, Sheikh, Simoncelli: "Image Quality Assessment: From Error Visibility to
Structural Similarity", IEEE Transactions on Image Processing 2004, section III-B: a Gaussian
window of 11 x 11 with a standard deviation of 1.5, C1 = 0.01^2 and C2 = 0.03^2 for values in
[0, 1], the mean over all positions at which the window lies inside the image.
"""

import torch
from torch import Tensor
from torch.nn import functional

from strategies.common.errors import ModelError

WINDOW = 11
SPREAD = 1.5
_LUMINANCE_FLOOR = 0.01**2
_CONTRAST_FLOOR = 0.03**2
_SMALLEST_SIDE = 5


def window_size(height: int, width: int) -> int:
    """Return the side of the window that suits an image.

    11, as published, from 17 pixels on. A smaller image takes the largest odd window of at
    most two thirds of its shorter side, and the spread shrinks in proportion: 5 pixels and
    0.68 at 8 x 8. The published window would not fit into it.

    Raises
    ------
    ModelError
        If a side has fewer than 5 pixels, where no window has any structure to compare.
    """
    shorter = min(height, width)
    if shorter < _SMALLEST_SIDE:
        raise ModelError(
            f"SSIM: expected images of at least {_SMALLEST_SIDE} x {_SMALLEST_SIDE} pixels, got "
            f"{height} x {width}; set image-size to a larger side"
        )
    fitting = shorter * 2 // 3
    return min(WINDOW, fitting - (fitting + 1) % 2)


def ssim(first: Tensor, second: Tensor) -> Tensor:
    """Return how alike two images are, pair by pair; differentiable in both.

    Parameters
    ----------
    first, second : Tensor
        (samples, channels, height, width) in [0, 1]; at least 5 x 5 pixels.

    Returns
    -------
    Tensor
        (samples,) in [-1, 1], mean over positions and channels; 1 for equal images.

    Raises
    ------
    ModelError
        If an image is too small.
    """
    samples, channels, height, width = first.shape
    window = _gaussian(window_size(height, width)).to(first)
    moments = torch.cat(
        [first, second, first.square(), second.square(), first * second]
    )  # (5 samples, channels, height, width)
    means = _filtered(moments, window).view(5, samples, channels, -1)
    mean_1, mean_2, square_1, square_2, product = means.unbind()
    covariance = product - mean_1 * mean_2
    variances = square_1 - mean_1.square() + square_2 - mean_2.square()
    luminance = (2 * mean_1 * mean_2 + _LUMINANCE_FLOOR) / (
        mean_1.square() + mean_2.square() + _LUMINANCE_FLOOR
    )
    structure = (2 * covariance + _CONTRAST_FLOOR) / (variances + _CONTRAST_FLOOR)
    return (luminance * structure).mean((1, 2))


def _gaussian(size: int) -> Tensor:
    """Return the window along one axis, summing to 1."""
    offsets = torch.arange(size, dtype=torch.float64) - (size - 1) / 2
    weights = torch.exp(-0.5 * (offsets / (SPREAD * size / WINDOW)).square())
    return weights / weights.sum()


def _filtered(images: Tensor, window: Tensor) -> Tensor:
    """Return the weighted mean around every position where the window fits."""
    planes = images.flatten(0, 1).unsqueeze(1)
    # The window is a product of two lines, so two short passes do for one of size squared.
    down = functional.conv2d(planes, window.view(1, 1, -1, 1))
    return functional.conv2d(down, window.view(1, 1, 1, -1))
