"""What a client half may ask of the device it runs on."""

from typing import Protocol

import torch

from strategies.common.model import FeatureModel
from strategies.common.samples import Samples
from strategies.common.settings import RunSettings
from strategies.common.task import Task


class Device(Protocol):
    """One client in one round, without Flower, disk or node config.

    Attributes
    ----------
    partition : int
        Which client this is.
    round_number : int
        Current round, from 1.
    settings : RunSettings
        General settings of the run.
    task : Task
        Shape of the task as this client's data and model have it.
    train, test : Samples
        The client's own split; ``test`` is never trained on.
    torch_device : torch.device
        Where to compute.
    """

    @property
    def partition(self) -> int: ...
    @property
    def round_number(self) -> int: ...
    @property
    def settings(self) -> RunSettings: ...
    @property
    def task(self) -> Task: ...
    @property
    def train(self) -> Samples: ...
    @property
    def test(self) -> Samples: ...
    @property
    def torch_device(self) -> torch.device: ...

    def build_model(self) -> FeatureModel:
        """Build this client's own architecture with fresh, seeded weights."""
        ...

    def generator(self, purpose: str) -> torch.Generator:
        """Return randomness for a purpose in this round of this client."""
        ...
