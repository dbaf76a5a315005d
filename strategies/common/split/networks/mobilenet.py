"""MobileNetV2 as a sequence of modules at which it can be cut: stem, 17 blocks, last convolution.

Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks" (CVPR 2018, table
2), with group normalisation and standardised weights. Images of up to 32 pixels would be
one pixel at the end: for them the stem and the first block of 24 channels keep stride 1.
Blocks end without a nonlinearity, so what crosses a cut has negative values too.
"""

from collections.abc import Iterator
from typing import final

from torch import Tensor, nn

from strategies.common.inputs import Images
from strategies.common.split.networks.layers import (
    CHANNELS_PER_GROUP,
    convolution,
    normalisation,
)
from strategies.common.split.settings import SplitSettings

PUBLISHED_WIDTH = 32
# Expansion t, channels c, repetitions n and stride s of the first, as in table 2.
STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
LAST_CHANNELS = 1280
LARGEST_SMALL_SIDE = 32
SMALL_IMAGE_UNSTRIDED = 24


@final
class InvertedResidual(nn.Module):
    """Widen, filter every channel by itself, narrow without nonlinearity (table 1).

    Parameters
    ----------
    inputs, outputs : int
        Channels.
    expansion : int
        How many times wider the block is inside, t in table 1; 1 leaves out the widening.
    stride : int
        Of the channel-wise convolution.
    standardised : bool
        Whether filters are standardised.
    residual : bool
        Whether inputs are added to outputs, where their shapes agree.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        expansion: int,
        stride: int,
        standardised: bool,
        residual: bool,
    ) -> None:
        super().__init__()
        inside = expansion * inputs
        layers: list[nn.Module] = []
        if expansion > 1:
            layers.append(_activated(convolution(inputs, inside, 1, standardised=standardised)))
        filtered = convolution(
            inside, inside, 3, stride=stride, groups=inside, standardised=standardised
        )
        layers += [
            _activated(filtered),
            convolution(inside, outputs, 1, standardised=standardised),
            normalisation(outputs),
        ]
        self.layers = nn.Sequential(*layers)
        self.adds_inputs = residual and stride == 1 and inputs == outputs

    def forward(self, inputs: Tensor) -> Tensor:
        """Map (batch, inputs, height, width) to (batch, outputs, height', width')."""
        outputs: Tensor = self.layers(inputs)
        return inputs + outputs if self.adds_inputs else outputs


def mobilenetv2(settings: SplitSettings, images: Images) -> Iterator[nn.Module]:
    """Yield the nineteen modules; the last has 1280 channels at the published width.

    Parameters
    ----------
    settings : SplitSettings
        Width of the stem (32 as published; other numbers of channels scale with it, rounded
        up to a multiple of four), cut, shortcuts on the client, standardisation.
    images : Images
        Channels and size of an image.
    """
    standardised = settings.weight_standardisation
    small = max(images.height, images.width) <= LARGEST_SMALL_SIDE
    inputs = settings.width
    stride = 1 if small else 2
    yield _activated(
        convolution(images.channels, inputs, 3, stride=stride, standardised=standardised)
    )
    number = 1
    for expansion, channels, repetitions, first_stride in STAGES:
        outputs = _scaled(channels, settings.width)
        for repetition in range(repetitions):
            number += 1
            strides = repetition == 0 and not (small and channels == SMALL_IMAGE_UNSTRIDED)
            yield InvertedResidual(
                inputs,
                outputs,
                expansion=expansion,
                stride=first_stride if strides else 1,
                standardised=standardised,
                residual=number > settings.cut or settings.client_residual,
            )
            inputs = outputs
    outputs = _scaled(LAST_CHANNELS, settings.width)
    yield _activated(convolution(inputs, outputs, 1, standardised=standardised))


def _activated(layer: nn.Conv2d) -> nn.Sequential:
    return nn.Sequential(layer, normalisation(layer.out_channels), nn.ReLU6())


def _scaled(channels: int, width: int) -> int:
    groups = -(-channels * width // (PUBLISHED_WIDTH * CHANNELS_PER_GROUP))
    return groups * CHANNELS_PER_GROUP
