"""CNNs for windows of sensor readings: one, two and three blocks, and one with strides.

Made for human activity recognition: 9 channels of accelerometer and gyroscope, 128 steps.
``sensor_cnn`` is HtFLlib's ``HARCNN``: two convolutions over nine steps (32 and 64 channels),
each with ReLU and max pooling over two steps. HtFLlib counts the three linear layers behind
them as head and drops them, so the natural width is 64 channels x 26 positions = 1664 at 128
steps. The others are unlike it as HtFLlib's sensor family is: in the number of blocks, and in
strides that take the place of pooling.
"""

from itertools import pairwise

from torch import nn

from models.body import Body
from models.pooling import MaxPooling
from strategies.common.inputs import Windows

KERNEL = 9
WIDTHS = (32, 64, 128)


def sensor_cnn(windows: Windows) -> Body:
    """Build the CNN for (channels, steps) windows of at least 28 steps."""
    network = nn.Sequential(
        nn.Unflatten(1, (windows.channels, 1)),
        nn.Conv2d(windows.channels, 32, (1, KERNEL)),
        nn.ReLU(),
        MaxPooling((1, 2)),
        nn.Conv2d(32, 64, (1, KERNEL)),
        nn.ReLU(),
        MaxPooling((1, 2)),
        nn.Flatten(),
    )
    lost = KERNEL - 1
    positions = ((windows.steps - lost) // 2 - lost) // 2
    return Body(network, 64 * positions)


def sensor_cnn1(windows: Windows) -> Body:
    """Build one block of 32 channels, for windows of at least 10 steps; width 1920 at 128."""
    return _pooled(windows, 1)


def sensor_cnn3(windows: Windows) -> Body:
    """Build three blocks up to 128 channels, for at least 64 steps; width 1152 at 128."""
    return _pooled(windows, 3)


def sensor_strided(windows: Windows) -> Body:
    """Build three convolutions of strides 1, 2 and 3, for at least 33 steps; width 2048 at 128."""
    layers: list[nn.Module] = []
    positions = windows.steps
    planes = (windows.channels, *WIDTHS)
    for stride, (inputs, outputs) in zip((1, 2, 3), pairwise(planes), strict=True):
        layers += nn.Conv1d(inputs, outputs, KERNEL, stride=stride), nn.ReLU()
        positions = (positions - KERNEL) // stride + 1
    return Body(nn.Sequential(*layers, nn.Flatten()), planes[-1] * positions)


def _pooled(windows: Windows, blocks: int) -> Body:
    """Build blocks of a convolution, ReLU and max pooling over two steps."""
    layers: list[nn.Module] = []
    positions = windows.steps
    planes = (windows.channels, *WIDTHS[:blocks])
    for inputs, outputs in pairwise(planes):
        layers += nn.Conv1d(inputs, outputs, KERNEL), nn.ReLU(), nn.MaxPool1d(2)
        positions = (positions - (KERNEL - 1)) // 2
    return Body(nn.Sequential(*layers, nn.Flatten()), planes[-1] * positions)
