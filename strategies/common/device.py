"""What a client half may ask of the device it runs on."""

from collections.abc import Sequence
from typing import Protocol

import torch

from strategies.common.adapters.backbone import Backbone
from strategies.common.model import FeatureModel
from strategies.common.samples import Samples
from strategies.common.settings import RunSettings
from strategies.common.split.link import Link
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

    @property
    def clients(self) -> "Sequence[Device]":
        """Logical clients that this node carries, each a device of its own; often itself alone.

        Their ``partition`` is the logical client's number.
        """
        ...

    @property
    def link(self) -> Link:
        """Stream to the server, for methods that exchange activations.

        Raises
        ------
        ExchangeError
            If the server opened none in this round.
        """
        ...

    @property
    def backbone(self) -> Backbone:
        """Frozen foundation model, for methods that train adapters.

        Raises
        ------
        ModelError
            If it cannot be loaded.
        """
        ...

    def build_model(self) -> FeatureModel:
        """Build this client's own architecture with fresh, seeded weights."""
        ...

    def generator(self, purpose: str) -> torch.Generator:
        """Return randomness for a purpose in this round of this client."""
        ...
