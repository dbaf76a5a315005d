"""Random views of images, drawn per client and applied to any number of clients at once.

The families are those of MoCo (He et al., "Momentum Contrast for Unsupervised Visual
Representation Learning", CVPR 2020, section 3.3) and MoCo v2 (Chen et al., "Improved
Baselines with Momentum Contrastive Learning", 2020, section 3), which adds the blur. All
randomness is in :func:`draw`; :func:`apply` is a function of each image and its own draw,
so a view does not depend on which clients share a node.

Steps come in one fixed order: crop, brightness, contrast, saturation, hue, grey, blur, flip.
A crop is never larger than the image that it is stretched to, so that plain bilinear
interpolation needs no smoothing; its edges may lie between pixels.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum, auto
from typing import Final, Literal, final

import torch
from torch import Tensor
from torch.nn import functional

from strategies.common.samples import prepare

JITTER_PROBABILITY = 0.8
BRIGHTNESS, CONTRAST, SATURATION = 0.4, 0.4, 0.4
# In turns of the colour circle.
HUE = 0.1
GREY_PROBABILITY = 0.2
BLUR_PROBABILITY = 0.5
# Standard deviation of the blur in pixels.
SMALLEST_BLUR, LARGEST_BLUR = 0.1, 2.0
FLIP_PROBABILITY = 0.5
# Of a crop's width to its height, both as parts of the image's.
LARGEST_ASPECT = 4 / 3
CROP_TRIES = 10
# ITU-R BT.601: how bright red, green and blue look.
LUMA: Final = (0.299, 0.587, 0.114)


@final
@dataclass(frozen=True)
class Augmentation:
    """How views are drawn.

    Attributes
    ----------
    family : str
        ``mocov1``, or ``mocov2`` with blur.
    min_scale : float
        Smallest part of an image's area that a crop keeps, in (0, 1]; 0.08 as published,
        1 for no crop.
    flip : bool
        Whether half of the views are mirrored; not for digits or letters.
    """

    family: Literal["mocov1", "mocov2"]
    min_scale: float
    flip: bool


class Column(IntEnum):
    """What each number of a draw says."""

    LEFT = 0
    TOP = auto()
    WIDTH = auto()
    HEIGHT = auto()
    BRIGHTNESS = auto()
    CONTRAST = auto()
    SATURATION = auto()
    HUE = auto()
    GREY = auto()
    BLUR = auto()
    FLIP = auto()


# Images in [0, 1] and their draws to images in [0, 1].
Step = Callable[[Tensor, Tensor], Tensor]

# The whole image, as it is.
IDENTITY: Final = (0.0, 0.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0)


def draw(count: int, augmentation: Augmentation, generator: torch.Generator) -> Tensor:
    """Draw one view for each of some samples.

    Parameters
    ----------
    count : int
        Samples.
    augmentation : Augmentation
        How views are drawn.
    generator : torch.Generator
        The client's own randomness; how far it advances depends on ``count`` alone.

    Returns
    -------
    Tensor
        (count, numbers) float32 in the columns of :class:`Column`: the crop as parts of the
        image's sides, factors of brightness, contrast and saturation, the turn of the hue,
        whether the view is grey (0 or 1), the blur's standard deviation in pixels (0 for
        none), whether it is mirrored (0 or 1).
    """
    draws = torch.tensor(IDENTITY).repeat(count, 1)
    draws[:, Column.LEFT : Column.HEIGHT + 1] = _crops(count, augmentation.min_scale, generator)

    jitters = _happens(count, JITTER_PROBABILITY, generator)
    strengths = torch.tensor([BRIGHTNESS, CONTRAST, SATURATION, HUE])
    shifts = (2 * torch.rand(count, 4, generator=generator) - 1) * strengths
    draws[:, Column.BRIGHTNESS : Column.HUE + 1] += shifts * jitters.unsqueeze(1)
    draws[:, Column.GREY] = _happens(count, GREY_PROBABILITY, generator)

    blurs = _happens(count, BLUR_PROBABILITY, generator)
    sigmas = SMALLEST_BLUR + (LARGEST_BLUR - SMALLEST_BLUR) * torch.rand(count, generator=generator)
    if augmentation.family == "mocov2":
        draws[:, Column.BLUR] = sigmas * blurs
    flips = _happens(count, FLIP_PROBABILITY, generator)
    if augmentation.flip:
        draws[:, Column.FLIP] = flips
    return draws


def apply(inputs: Tensor, draws: Tensor, augmentation: Augmentation) -> Tensor:
    """Turn samples into views, scaled for a network.

    Colours are worked on and cut off within the range of an image: 0 to 255 for integers,
    -1 to 1 for floats. With one channel, saturation, hue and grey change nothing; with other
    numbers than one and three, contrast goes by the mean of the channels.

    Parameters
    ----------
    inputs : Tensor
        (samples, channels, height, width), uint8 or float as ``Samples`` hold them.
    draws : Tensor
        (samples, numbers), one row of :func:`draw` for each sample, on any device.
    augmentation : Augmentation
        What the draws were drawn with.

    Returns
    -------
    Tensor
        (samples, channels, height, width) float32 on the device of ``inputs``; for the draw
        ``IDENTITY`` what ``strategies.common.samples.prepare`` gives.
    """
    views = prepare(inputs).add(1).div(2)  # now 0 to 1
    neutral = torch.tensor(IDENTITY, device=draws.device)
    for columns, step in _steps(augmentation):
        rows = (draws[:, columns] != neutral[columns]).any(dim=1).nonzero().squeeze(1)
        chosen = rows.to(views.device)
        if len(rows):
            views[chosen] = step(views[chosen], draws[rows].to(views.device))
    return views.mul_(2).sub_(1)


def _steps(augmentation: Augmentation) -> list[tuple[slice, Step]]:
    """Return in order the columns that a step reads, and the step."""
    steps: list[tuple[slice, Step]] = [
        (slice(Column.LEFT, Column.HEIGHT + 1), _crop),
        (slice(Column.BRIGHTNESS, Column.HUE + 1), _jitter),
        (slice(Column.GREY, Column.GREY + 1), _grey),
    ]
    if augmentation.family == "mocov2":
        steps.append((slice(Column.BLUR, Column.BLUR + 1), _blur))
    if augmentation.flip:
        steps.append((slice(Column.FLIP, Column.FLIP + 1), _flip))
    return steps


def _happens(count: int, probability: float, generator: torch.Generator) -> Tensor:
    return torch.rand(count, generator=generator) < probability


def _crops(count: int, min_scale: float, generator: torch.Generator) -> Tensor:
    """Return (count, 4): left, top, width, height; the whole image where no try fits."""
    numbers = torch.rand(count, CROP_TRIES, 2, generator=generator)
    area = min_scale + (1 - min_scale) * numbers[..., 0]
    aspect = torch.exp((2 * numbers[..., 1] - 1) * math.log(LARGEST_ASPECT))
    sides = torch.stack((area * aspect, area / aspect), dim=2).sqrt()  # (count, tries, 2)
    fits = (sides <= 1).all(dim=2)
    first = fits.to(torch.uint8).argmax(dim=1)
    chosen = sides[torch.arange(count), first]
    chosen = torch.where(fits.any(dim=1, keepdim=True), chosen, 1.0)
    corners = torch.rand(count, 2, generator=generator) * (1 - chosen)
    return torch.cat((corners, chosen), dim=1)


def _crop(images: Tensor, draws: Tensor) -> Tensor:
    height, width = images.shape[2:]
    columns = _positions(draws[:, Column.LEFT], draws[:, Column.WIDTH], width)
    rows = _positions(draws[:, Column.TOP], draws[:, Column.HEIGHT], height)
    grid = torch.stack(
        (
            columns.unsqueeze(1).expand(-1, height, -1),
            rows.unsqueeze(2).expand(-1, -1, width),
        ),
        dim=3,
    )
    return functional.grid_sample(
        images, 2 * grid - 1, mode="bilinear", padding_mode="border", align_corners=False
    )


def _positions(start: Tensor, length: Tensor, pixels: int) -> Tensor:
    """Return (samples, pixels): where each pixel's centre comes from, as parts of the side.

    No position is nearer to the crop's edge than half a pixel, so that nothing outside of
    the crop is mixed in.
    """
    centres = (torch.arange(pixels, device=start.device) + 0.5) / pixels
    positions = start.unsqueeze(1) + length.unsqueeze(1) * centres
    inset = (length / 2).clamp(max=0.5 / pixels)
    lowest, highest = start + inset, start + length - inset
    return positions.maximum(lowest.unsqueeze(1)).minimum(highest.unsqueeze(1))


def _jitter(images: Tensor, draws: Tensor) -> Tensor:
    brightness, contrast, saturation, hue = (
        draws[:, column].view(-1, 1, 1, 1)
        for column in (Column.BRIGHTNESS, Column.CONTRAST, Column.SATURATION, Column.HUE)
    )
    images = (images * brightness).clamp(0, 1)
    level = _luma(images).mean(dim=(2, 3), keepdim=True)
    images = (level + contrast * (images - level)).clamp(0, 1)
    if not _is_coloured(images):
        return images
    luma = _luma(images)
    images = (luma + saturation * (images - luma)).clamp(0, 1)
    return _turn_hue(images, hue)


def _turn_hue(images: Tensor, turns: Tensor) -> Tensor:
    """Turn every pixel's hue, in turns of the colour circle, keeping its value and chroma."""
    red, green, blue = torch.split(images, 1, dim=1)
    value = images.amax(dim=1, keepdim=True)
    chroma = value - images.amin(dim=1, keepdim=True)
    divisor = torch.where(chroma > 0, chroma, 1.0)
    # In sixths of a turn; 0 is red, 2 is green, 4 is blue.
    hue = torch.where(
        value == red,
        (green - blue) / divisor,
        torch.where(value == green, 2 + (blue - red) / divisor, 4 + (red - green) / divisor),
    )
    # Each channel falls from the value to its least as the hue goes away from it.
    offsets = torch.tensor([5.0, 3.0, 1.0], device=images.device).view(1, 3, 1, 1)
    distance = torch.remainder(offsets + hue + 6 * turns, 6)
    return value - chroma * torch.minimum(distance, 4 - distance).clamp(0, 1)


def _grey(images: Tensor, _draws: Tensor) -> Tensor:
    return _luma(images).expand_as(images) if _is_coloured(images) else images


def _blur(images: Tensor, draws: Tensor) -> Tensor:
    height, width = images.shape[2:]
    sigmas = draws[:, Column.BLUR]
    down, across = _blurring(sigmas, height), _blurring(sigmas, width)
    return down.unsqueeze(1) @ images @ across.unsqueeze(1).transpose(2, 3)


def _blurring(sigmas: Tensor, pixels: int) -> Tensor:
    """Return (samples, pixels, pixels): the Gaussian weights with which pixels are mixed.

    Weights that would fall outside of the image are shared among those within, so every
    row sums to one and an image of one colour stays as it is.
    """
    places = torch.arange(pixels, device=sigmas.device)
    distances = (places.unsqueeze(0) - places.unsqueeze(1)) / sigmas.view(-1, 1, 1)
    return torch.softmax(-0.5 * distances.square(), dim=2)


def _flip(images: Tensor, _draws: Tensor) -> Tensor:
    return images.flip(3)


def _luma(images: Tensor) -> Tensor:
    """Return (samples, 1, height, width): how bright each pixel looks."""
    if not _is_coloured(images):
        return images.mean(dim=1, keepdim=True)
    weights = torch.tensor(LUMA, device=images.device).view(1, 3, 1, 1)
    return (images * weights).sum(dim=1, keepdim=True)


def _is_coloured(images: Tensor) -> bool:
    return images.shape[1] == len(LUMA)
