"""Four networks for grey images of 28 pixels, as models of a user's own: a family to compare in.

The first is the CNN of McMahan et al. as ``models.cnn`` has it; the others have one or two of its
convolutions and other layers behind them.
"""

from pathlib import Path
from typing import Final

from torch import Tensor, nn

from strategies.common.inputs import Inputs

_FILE: Final = Path(__file__).resolve()
FAMILY: Final = ",".join(
    f"{_FILE}:{name}" for name in ("Two512", "One128And512", "Two1024And512", "One512")
)
# The network that methods share beside clients' own.
SHARED: Final = f"{_FILE}:Two512"
_KERNEL: Final = 5


class _Network(nn.Module):
    def __init__(self, channels: tuple[int, ...], hidden: tuple[int, ...]) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        before, side = 1, 28
        for wide in channels:
            layers += [nn.Conv2d(before, wide, _KERNEL), nn.ReLU(), nn.MaxPool2d(2)]
            before, side = wide, (side - _KERNEL + 1) // 2
        layers.append(nn.Flatten())
        width = before * side * side
        for wide in hidden:
            layers += [nn.Linear(width, wide), nn.ReLU()]
            width = wide
        self.layers = nn.Sequential(*layers)

    def forward(self, images: Tensor) -> Tensor:
        """Return features (batch, 512)."""
        features: Tensor = self.layers(images)
        return features


class Two512(_Network):
    """Two convolutions and a layer of 512: 0.58 M numbers with the head for ten classes."""

    def __init__(self, _inputs: Inputs, _num_classes: int) -> None:
        super().__init__((32, 64), (512,))


class One128And512(_Network):
    """One convolution, layers of 128 and 512."""

    def __init__(self, _inputs: Inputs, _num_classes: int) -> None:
        super().__init__((32,), (128, 512))


class Two1024And512(_Network):
    """Two convolutions, layers of 1024 and 512."""

    def __init__(self, _inputs: Inputs, _num_classes: int) -> None:
        super().__init__((32, 64), (1024, 512))


class One512(_Network):
    """One convolution and a layer of 512: 2.4 M numbers."""

    def __init__(self, _inputs: Inputs, _num_classes: int) -> None:
        super().__init__((32,), (512,))
