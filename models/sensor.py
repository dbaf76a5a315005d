"""A CNN for windows of sensor readings, as HtFLlib's ``HARCNN`` has it.

Made for human activity recognition: 9 channels of accelerometer and gyroscope, 128 steps.
Two convolutions over nine steps (32 and 64 channels), each with ReLU and max pooling over
two steps. HtFLlib counts the three linear layers behind them as head and drops them, so
the natural width is 64 channels x 26 positions = 1664 at 128 steps.
"""

from torch import nn

from models.body import Body
from strategies.common.inputs import Windows

KERNEL = 9


def sensor_cnn(windows: Windows) -> Body:
    """Build the CNN for (channels, steps) windows of at least 28 steps."""
    network = nn.Sequential(
        nn.Unflatten(1, (windows.channels, 1)),
        nn.Conv2d(windows.channels, 32, (1, KERNEL)),
        nn.ReLU(),
        nn.MaxPool2d((1, 2)),
        nn.Conv2d(32, 64, (1, KERNEL)),
        nn.ReLU(),
        nn.MaxPool2d((1, 2)),
        nn.Flatten(),
    )
    lost = KERNEL - 1
    positions = ((windows.steps - lost) // 2 - lost) // 2
    return Body(network, 64 * positions)
