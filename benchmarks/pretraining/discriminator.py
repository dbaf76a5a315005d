"""A residual discriminator (Karras et al., CVPR 2020, figure 7) that is small."""

import itertools
import math
from typing import final

import torch
from torch import Tensor, nn
from torch.nn import functional

from generators.stylegan.primitives import FullyConnected, leaky, resample

_TAPS = (0.125, 0.375, 0.375, 0.125)
# Images that are compared with each other (Karras et al., ICLR 2018, section 3).
_GROUP = 4


@final
class Discriminator(nn.Module):
    """Tells real images from drawn ones.

    Parameters
    ----------
    channels : tuple[int, ...]
        Width at 4, 8, 16, ... pixels, as in the generator.
    """

    def __init__(self, channels: tuple[int, ...]) -> None:
        super().__init__()
        descending = channels[::-1]
        self.from_colours = _Convolution(3, descending[0], 1)
        self.blocks = nn.ModuleList(
            _Block(wide, narrow) for wide, narrow in itertools.pairwise(descending)
        )
        last = descending[-1]
        self.mix = _Convolution(last + 1, last, 3)
        self.score = nn.Sequential(
            FullyConnected(last * 16, last, "leaky"), FullyConnected(last, 1)
        )

    def forward(self, images: Tensor) -> Tensor:
        """Return one score (images,) each, high for real; the number is divisible by 4."""
        features = leaky(self.from_colours(images))
        for block in self.blocks:
            features = block(features)
        grouped = features.reshape(_GROUP, -1, *features.shape[1:])
        # Without it a generator that draws one image only could not be told by its sameness.
        spread = grouped.var(0, correction=0).add(1e-8).sqrt().mean((1, 2, 3))
        plane = spread.repeat(_GROUP)[:, None, None, None].expand(-1, 1, *features.shape[2:])
        features = leaky(self.mix(torch.cat([features, plane], 1)))
        scores: Tensor = self.score(features.flatten(1))
        return scores.squeeze(1)


@final
class _Convolution(nn.Module):
    """A convolution whose stored weights have unit variance."""

    def __init__(self, inputs: int, outputs: int, kernel: int, *, bias: bool = True) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(outputs)) if bias else None
        self._gain = 1 / math.sqrt(inputs * kernel**2)

    def forward(self, images: Tensor) -> Tensor:
        padding = self.weight.shape[2] // 2
        return functional.conv2d(images, self.weight * self._gain, self.bias, padding=padding)


@final
class _Block(nn.Module):
    """Two convolutions and a shortcut; the image halves in size."""

    taps: Tensor

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.register_buffer("taps", torch.tensor(_TAPS))
        self.first = _Convolution(inputs, inputs, 3)
        self.second = _Convolution(inputs, outputs, 3)
        self.shortcut = _Convolution(inputs, outputs, 1, bias=False)

    def forward(self, images: Tensor) -> Tensor:
        features = leaky(self.first(images))
        features = leaky(self.second(self._halve(features)))
        both: Tensor = features + self.shortcut(self._halve(images))
        return both * math.sqrt(0.5)

    def _halve(self, images: Tensor) -> Tensor:
        return resample(images, self.taps, down=2, padding=(1, 1, 1, 1))
