"""What a client half may ask of the device it runs on."""

from typing import Protocol

import torch

from strategies.common.model import FeatureModel
from strategies.common.samples import Samples
from strategies.common.settings import RunSettings
from strategies.common.task import Task


class Device(Protocol):
    """One client in one round, without Flower, disk or node config."""

    @property
    def partition(self) -> int:
        """Which client this is."""
        ...

    @property
    def round_number(self) -> int:
        """Current round, from 1."""
        ...

    @property
    def settings(self) -> RunSettings:
        """General settings of the run."""
        ...

    @property
    def task(self) -> Task:
        """Shape of the task as this client's data and model have it."""
        ...

    @property
    def train(self) -> Samples:
        """Samples to learn from."""
        ...

    @property
    def test(self) -> Samples:
        """Samples that are never trained on."""
        ...

    @property
    def torch_device(self) -> torch.device:
        """Where to compute."""
        ...

    def build_model(self) -> FeatureModel:
        """Build this client's own architecture with fresh, seeded weights."""
        ...

    def generator(self, purpose: str) -> torch.Generator:
        """Return randomness for a purpose in this round of this client."""
        ...
