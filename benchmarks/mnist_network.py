"""The small network of FedGen's authors for MNIST, as a model of a user's own."""

from pathlib import Path
from typing import Final

from torch import Tensor, nn

from strategies.common.inputs import Inputs

NETWORK: Final = f"{Path(__file__).resolve()}:SmallNetwork"
WIDTH: Final = 32


class SmallNetwork(nn.Module):
    """Two strided convolutions and one layer: 26,434 numbers with the head for ten classes.

    Parameters
    ----------
    _inputs : Inputs
        Images of 28 pixels in one channel.
    _num_classes : int
        Not read: the head is put behind it.
    """

    def __init__(self, _inputs: Inputs, _num_classes: int) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 6, 3, stride=2, padding=1),
            nn.BatchNorm2d(6),
            nn.ReLU(),
            nn.Conv2d(6, 16, 3, stride=2, padding=1),
            nn.BatchNorm2d(16),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(784, WIDTH),
        )

    def forward(self, images: Tensor) -> Tensor:
        """Return features (batch, 32)."""
        features: Tensor = self.features(images)
        return features
