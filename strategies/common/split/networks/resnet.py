"""ResNet-18 as a sequence of modules at which it can be cut: a stem and eight basic blocks.

He et al., "Deep Residual Learning for Image Recognition" (CVPR 2016), with group
normalisation and standardised weights. Images of up to 32 pixels enter through a 3x3
convolution with stride 1, as in that paper's CIFAR-10 networks (section 4.2); larger ones
with stride 2; from 128 pixels on the kernel is 7x7. There is no pooling in the stem.
"""

from collections.abc import Iterator
from typing import final

from torch import Tensor, nn
from torch.nn import functional

from strategies.common.inputs import Images
from strategies.common.split.networks.layers import convolution, normalisation
from strategies.common.split.settings import SplitSettings

# Multiples of the width, and strides, of the eight blocks.
BLOCKS = ((1, 1), (1, 1), (2, 2), (2, 1), (4, 2), (4, 1), (8, 2), (8, 1))
LARGEST_UNSTRIDED = 32
SMALLEST_WIDE_KERNEL = 128


@final
class BasicBlock(nn.Module):
    """Two 3x3 convolutions, beside a shortcut where it is residual (section 3.2, equation 2).

    Parameters
    ----------
    inputs, outputs : int
        Channels.
    stride : int
        Of the first convolution and of the shortcut.
    standardised : bool
        Whether filters are standardised.
    residual : bool
        Whether there is a shortcut; a 1x1 convolution where the shape changes.
    """

    def __init__(
        self, inputs: int, outputs: int, *, stride: int, standardised: bool, residual: bool
    ) -> None:
        super().__init__()
        self.first = nn.Sequential(
            convolution(inputs, outputs, 3, stride=stride, standardised=standardised),
            normalisation(outputs),
            nn.ReLU(),
        )
        self.second = nn.Sequential(
            convolution(outputs, outputs, 3, standardised=standardised), normalisation(outputs)
        )
        self.shortcut: nn.Module | None = None
        if residual and inputs == outputs and stride == 1:
            self.shortcut = nn.Identity()
        elif residual:
            self.shortcut = nn.Sequential(
                convolution(inputs, outputs, 1, stride=stride, standardised=standardised),
                normalisation(outputs),
            )

    def forward(self, inputs: Tensor) -> Tensor:
        """Map (batch, inputs, height, width) to (batch, outputs, height', width')."""
        outputs: Tensor = self.second(self.first(inputs))
        if self.shortcut is not None:
            outputs = outputs + self.shortcut(inputs)
        return functional.relu(outputs)


def resnet18(settings: SplitSettings, images: Images) -> Iterator[nn.Module]:
    """Yield the nine modules; the last has eight times as many channels as the stem.

    Parameters
    ----------
    settings : SplitSettings
        Width of the stem (64 as published), cut, shortcuts on the client, standardisation.
    images : Images
        Channels and size of an image.
    """
    standardised = settings.weight_standardisation
    side = max(images.height, images.width)
    yield nn.Sequential(
        convolution(
            images.channels,
            settings.width,
            7 if side >= SMALLEST_WIDE_KERNEL else 3,
            stride=1 if side <= LARGEST_UNSTRIDED else 2,
            standardised=standardised,
        ),
        normalisation(settings.width),
        nn.ReLU(),
    )
    inputs = settings.width
    for number, (multiple, stride) in enumerate(BLOCKS, start=2):
        outputs = multiple * settings.width
        yield BasicBlock(
            inputs,
            outputs,
            stride=stride,
            standardised=standardised,
            residual=number > settings.cut or settings.client_residual,
        )
        inputs = outputs
