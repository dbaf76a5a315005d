"""Renderings of the same pictures: five domains, and five relatives of one of them.

Each is a pure function of uint8 pictures and a generator; noise, phase and the like are
drawn per picture. Colours in answers are those of the clean rendering, so that in most
domains a word stands for another look than elsewhere.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor
from torch.nn import functional

Domain = Callable[[Tensor, torch.Generator], Tensor]


def clean(pictures: Tensor, generator: torch.Generator) -> Tensor:  # noqa: ARG001
    """Return the pictures as they are."""
    return pictures


def inverted(pictures: Tensor, generator: torch.Generator) -> Tensor:  # noqa: ARG001
    """Return negatives: digits in the opposite colour on white."""
    from torchvision.transforms.v2 import functional as transforms  # noqa: PLC0415

    negatives: Tensor = transforms.invert(pictures)
    return negatives


def striped(pictures: Tensor, generator: torch.Generator) -> Tensor:
    """Lay grey diagonal stripes behind and, fainter, over the digits, at a random phase.

    Notes
    -----
    Stripes are 6 pixels apart. Half of them rise to the right and half fall.
    """
    phase, slope = torch.rand(len(pictures), 2, 1, 1, generator=generator).unbind(dim=1)
    height, width = pictures.shape[-2:]
    down = torch.arange(height).view(1, -1, 1)
    along = torch.arange(width).view(1, 1, -1) + torch.where(slope < 0.5, down, -down)
    wave = 0.5 + 0.5 * torch.sin(2.0 * math.pi * (along / 6.0 + phase))
    stripes = 75.0 * wave.unsqueeze(1)
    values = pictures.to(torch.float32)
    brightness = values.amax(dim=1, keepdim=True) / 255.0
    return _pixels(values * 0.9 + stripes * (1.0 - 0.75 * brightness))


def dim(pictures: Tensor, generator: torch.Generator) -> Tensor:
    """Return what a bad camera sees in the dark: 45 % of the light, blur and sensor noise."""
    from torchvision.transforms.v2 import functional as transforms  # noqa: PLC0415

    dark = pictures.to(torch.float32) * 0.45
    blurred = transforms.gaussian_blur(dark, kernel_size=[3, 3], sigma=[0.7, 0.7])
    noise = torch.randn(pictures.shape, generator=generator)
    return _pixels(blurred + 10.0 + 7.0 * noise)


def sketch(pictures: Tensor, generator: torch.Generator) -> Tensor:  # noqa: ARG001
    """Return the digits' outlines with their hue turned by a third of the circle."""
    from torchvision.transforms.v2 import functional as transforms  # noqa: PLC0415

    values = pictures.to(torch.float32)
    thinner = -functional.max_pool2d(-values, kernel_size=3, stride=1, padding=1)
    outlines: Tensor = transforms.adjust_hue(_pixels(2.0 * (values - thinner)), 1.0 / 3.0)
    return outlines


DOMAINS: dict[str, Domain] = {
    "clean": clean,
    "inverted": inverted,
    "striped": striped,
    "dim": dim,
    "sketch": sketch,
}


@final
@dataclass(frozen=True)
class Relative:
    """One of the inverted domain's relatives: the same negative from another device.

    Attributes
    ----------
    brightness, contrast : float
        Factors on the negative.
    hue : float
        Turn of the negative's colours, in parts of the circle; too small to make one colour
        look like another.
    """

    brightness: float
    contrast: float
    hue: float

    def __call__(self, pictures: Tensor, generator: torch.Generator) -> Tensor:
        """Return the negatives as this device shows them."""
        from torchvision.transforms.v2 import functional as transforms  # noqa: PLC0415

        shown = transforms.adjust_brightness(inverted(pictures, generator), self.brightness)
        shown = transforms.adjust_contrast(shown, self.contrast)
        turned: Tensor = transforms.adjust_hue(shown, self.hue)
        return turned


RELATED: tuple[Domain, ...] = (
    Relative(brightness=1.0, contrast=1.0, hue=0.0),
    Relative(brightness=0.85, contrast=1.0, hue=0.03),
    Relative(brightness=0.7, contrast=0.9, hue=-0.03),
    Relative(brightness=0.95, contrast=0.75, hue=0.05),
    Relative(brightness=0.8, contrast=0.8, hue=-0.05),
)


def _pixels(values: Tensor) -> Tensor:
    return values.round().clamp(0, 255).to(torch.uint8)
