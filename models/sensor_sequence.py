"""Models for windows of sensor readings whose width does not grow with time.

``sensor_resnet`` is a residual network over time: a convolution, four blocks of two convolutions
with batch normalisation, and the mean over time. ``sensor_gru`` reads in order what a convolution
makes of a window, and ends with what a gated recurrent unit has kept of it.
"""

from typing import final

from torch import Tensor, nn
from torch.nn import functional

from models.body import Body
from strategies.common.inputs import Windows

STEM = 7
KERNEL = 3
WIDTHS = (32, 64, 96, 128)

FRAME = 9
HOP = 4
FRAMES, MEMORY = 64, 128


def sensor_resnet(windows: Windows) -> Body:
    """Build the residual network for windows of at least 8 steps; its width is 128."""
    layers: list[nn.Module] = [
        nn.Conv1d(windows.channels, WIDTHS[0], STEM, bias=False),
        nn.BatchNorm1d(WIDTHS[0]),
        nn.ReLU(),
        nn.MaxPool1d(2),
    ]
    before = WIDTHS[0]
    for width in WIDTHS:
        layers.append(_Block(before, width))
        before = width
    return Body(nn.Sequential(*layers, nn.AdaptiveAvgPool1d(1), nn.Flatten()), before)


def sensor_gru(windows: Windows) -> Body:
    """Build the recurrent network for windows of at least 9 steps; its width is 128."""
    network = nn.Sequential(
        nn.Conv1d(windows.channels, FRAMES, FRAME, stride=HOP),
        nn.ReLU(),
        _LastOfGRU(FRAMES, MEMORY),
    )
    return Body(network, MEMORY)


@final
class _Block(nn.Module):
    """Two convolutions beside a shortcut; where channels grow, time is halved.

    Parameters
    ----------
    inputs, outputs : int
        Channels.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        grows = inputs != outputs
        stride, pad = 2 if grows else 1, KERNEL // 2
        self.first = nn.Conv1d(inputs, outputs, KERNEL, stride, pad, bias=False)
        self.first_norm = nn.BatchNorm1d(outputs)
        self.second = nn.Conv1d(outputs, outputs, KERNEL, 1, pad, bias=False)
        self.second_norm = nn.BatchNorm1d(outputs)
        self.shortcut: nn.Module = nn.Identity()
        if grows:
            projection = nn.Conv1d(inputs, outputs, 1, stride, bias=False)
            self.shortcut = nn.Sequential(projection, nn.BatchNorm1d(outputs))

    def forward(self, inputs: Tensor) -> Tensor:
        """Return (batch, outputs, steps), of half the steps where channels grow."""
        hidden = functional.relu(self.first_norm(self.first(inputs)))
        hidden = self.second_norm(self.second(hidden))
        return functional.relu(hidden + self.shortcut(inputs))


@final
class _LastOfGRU(nn.Module):
    """What a gated recurrent unit ends with.

    Parameters
    ----------
    inputs, memory : int
        Channels, and numbers that it keeps.
    """

    def __init__(self, inputs: int, memory: int) -> None:
        super().__init__()
        self.unit = nn.GRU(inputs, memory, batch_first=True)

    def forward(self, inputs: Tensor) -> Tensor:
        """Map (batch, inputs, steps) to (batch, memory)."""
        outputs, _ = self.unit(inputs.transpose(1, 2))  # (batch, steps, memory)
        last: Tensor = outputs[:, -1]
        return last
