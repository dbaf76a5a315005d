"""VGG-11 as a sequence of modules at which it can be cut: eight convolutions and five poolings.

Simonyan and Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition"
(ICLR 2015, table 1, column A), with group normalisation and standardised weights and
without its three fully connected layers. Every entry of the published table is one module.
A side of one pixel is not pooled any further; the pooling keeps its place in the sequence, so
that a cut means the same for every image size.
"""

from collections.abc import Iterator

from torch import nn

from strategies.common.inputs import Images
from strategies.common.split.networks.layers import convolution, normalisation
from strategies.common.split.settings import SplitSettings

# Multiples of the width, in order; 0 is a 2x2 pooling.
ENTRIES = (1, 0, 2, 0, 4, 4, 0, 8, 8, 0, 8, 8, 0)


def vgg11(settings: SplitSettings, images: Images) -> Iterator[nn.Module]:
    """Yield the thirteen modules; the last has eight times as many channels as the first.

    Parameters
    ----------
    settings : SplitSettings
        Width of the first convolution (64 as published) and standardisation; there are no
        shortcuts to keep.
    images : Images
        Channels and size of an image.
    """
    channels, height, width = images.channels, images.height, images.width
    for multiple in ENTRIES:
        if multiple:
            outputs = multiple * settings.width
            yield nn.Sequential(
                convolution(channels, outputs, 3, standardised=settings.weight_standardisation),
                normalisation(outputs),
                nn.ReLU(),
            )
            channels = outputs
        else:
            rows, columns = min(2, height), min(2, width)
            yield nn.MaxPool2d((rows, columns))
            height, width = height // rows, width // columns
