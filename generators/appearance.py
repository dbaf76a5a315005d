"""What images look like, in numbers, and in words where they cannot be what was meant."""

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

# Pairs of images are compared among so many of them.
_COMPARED = 64

_ALIKE = 2.0
_FLAT = 3.0
_SATURATED = 0.5
# Neighbours in white noise differ by 1.13 standard deviations on average, and photographs'
# by less than a third of one.
_NOISY = 0.9


@final
@dataclass(frozen=True)
class Appearance:
    """Numbers on a set of images; all but ``clipped`` in levels from 0 to 255.

    Attributes
    ----------
    brightness : float
        Mean over all pixels.
    contrast : float
        Standard deviation of the pixels within an image and channel, averaged over both.
    sharpness : float
        Mean absolute difference between neighbouring pixels.
    clipped : float
        Share of values at 0 or 255.
    distance : float | None
        Root mean squared difference between two images, averaged over pairs; ``None`` for a
        single image.
    """

    brightness: float
    contrast: float
    sharpness: float
    clipped: float
    distance: float | None

    def doubts(self) -> tuple[str, ...]:
        """Say of "images" what no working generator's are; each a verb and what follows."""
        told = []
        if self.contrast < _FLAT:
            told.append(f"are flat: pixels within one vary by {self.contrast:.1f} levels")
        elif self.sharpness > _NOISY * self.contrast:
            told.append("look like noise: neighbouring pixels have nothing in common")
        if self.clipped > _SATURATED:
            told.append(f"are saturated: {self.clipped:.0%} of all values are 0 or 255")
        if self.distance is not None and self.distance < _ALIKE:
            told.append(f"are all alike: two of them are {self.distance:.1f} levels apart")
        return tuple(told)


def appearance(images: Tensor) -> Appearance:
    """Describe images (count, 3, height, width) uint8, at least one."""
    pixels = images.float()
    down, right = pixels.diff(dim=2).abs(), pixels.diff(dim=3).abs()
    steps = max(1, down.numel() + right.numel())
    clipped = (images == 0) | (images == 255)
    return Appearance(
        brightness=pixels.mean().item(),
        contrast=pixels.flatten(2).std(dim=2, correction=0).mean().item(),
        sharpness=(down.sum() + right.sum()).item() / steps,
        clipped=clipped.float().mean().item(),
        distance=_distance(pixels[:_COMPARED].flatten(1)),
    )


def _distance(pixels: Tensor) -> float | None:
    if len(pixels) < 2:
        return None
    distances: Tensor = torch.pdist(pixels) / pixels.shape[1] ** 0.5
    return distances.mean().item()
