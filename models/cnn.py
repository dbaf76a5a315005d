"""The four-layer CNN of McMahan et al. as HtFLlib's ``FedAvgCNN`` has it.

"Communication-Efficient Learning of Deep Networks from Decentralized Data" (AISTATS 2017,
section 3): 5x5 convolution to 32 channels, 2x2 max pooling, 5x5 convolution to 64 channels,
2x2 max pooling, a layer of 512 units, ReLU throughout; the head is the fourth layer.
With ten classes it has 0.58 M parameters at 28x28x1 and 0.88 M at 32x32x3.

The published convolutions are not padded. They are kept so from 16 to 64 pixels, where
their sizes are published or follow from it. Outside of that, side by side:

* below 16 pixels nothing would be left, so both convolutions are padded by 2;
* above 64 pixels the layer of 512 units would grow with the area (to 92 M parameters at
  224 pixels), so its inputs are averaged to the 5 positions that 32 pixels give.
"""

from torch import nn

from models.body import Body
from models.pooling import MaxPooling
from strategies.common.inputs import Images

KERNEL = 5
UNITS = 512
SMALLEST_UNPADDED = 16
LARGEST_UNPOOLED = 64
POOLED_POSITIONS = 5


def cnn(images: Images) -> Body:
    """Build the CNN for images of at least 8 pixels a side; its width is 512."""
    padding = (_padding(images.height), _padding(images.width))
    rows, columns = _positions(images.height), _positions(images.width)
    network = nn.Sequential(
        nn.Conv2d(images.channels, 32, KERNEL, padding=padding),
        nn.ReLU(),
        MaxPooling(2),
        nn.Conv2d(32, 64, KERNEL, padding=padding),
        nn.ReLU(),
        MaxPooling(2),
        nn.AdaptiveAvgPool2d((rows, columns)) if _is_pooled(images) else nn.Identity(),
        nn.Flatten(),
        nn.Linear(64 * rows * columns, UNITS),
        nn.ReLU(),
    )
    return Body(network, UNITS)


def _is_pooled(images: Images) -> bool:
    return max(images.height, images.width) > LARGEST_UNPOOLED


def _padding(side: int) -> int:
    return 0 if side >= SMALLEST_UNPADDED else KERNEL // 2


def _positions(side: int) -> int:
    if side > LARGEST_UNPOOLED:
        return POOLED_POSITIONS
    lost = KERNEL - 1 - 2 * _padding(side)
    return ((side - lost) // 2 - lost) // 2
