"""What all clients of a run must agree on: the task."""

from dataclasses import dataclass
from typing import final


@final
@dataclass(frozen=True)
class Task:
    """Shape of the learning task, read from the data and never assumed.

    Attributes
    ----------
    num_classes : int
        Number of classes, C in the papers.
    channels, height, width : int
        Shape of one input; pixels for images.
    feature_dim : int
        Width of the clients' features (K' in FedKTL); 0 on the server when clients differ.
    """

    num_classes: int
    channels: int
    height: int
    width: int
    feature_dim: int
