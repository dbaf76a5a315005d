"""What a client half may ask of its device, kind by kind."""

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from strategies.common.adapters.backbone import Backbone
from strategies.common.model import FeatureModel
from strategies.common.open_data import OpenData
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

    def generator(self, purpose: str) -> torch.Generator:
        """Return randomness for a purpose in this round of this client."""
        ...


class MessageDevice(Device, Protocol):
    """A client with a model of its own."""

    @property
    def open_data(self) -> OpenData:
        """Samples without labels that server and clients all hold, where the run has any."""
        ...

    def open_labels(self, unless: str) -> Tensor:
        """Return their labels (samples,) int64, for methods that are told to learn from them.

        Parameters
        ----------
        unless : str
            Settings with which nobody reads them, for the error.

        Raises
        ------
        DataError
            If they are of other classes than this client's own data.
        """
        ...

    def build_model(self, *, alike: bool = False) -> FeatureModel:
        """Build this client's own architecture with fresh, seeded weights.

        Parameters
        ----------
        alike : bool
            Whether all clients of this architecture have the same.
        """
        ...


class AdapterDevice(Device, Protocol):
    """A client that holds the frozen foundation model."""

    @property
    def backbone(self) -> Backbone:
        """The model.

        Raises
        ------
        ModelError
            If it cannot be loaded.
        """
        ...


class ExchangeDevice(Protocol):
    """A node that exchanges activations for the clients that it carries."""

    @property
    def partition(self) -> int:
        """Which node this is."""
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
        """Shape of the task, the same for all its clients."""
        ...

    @property
    def torch_device(self) -> torch.device:
        """Where to compute."""
        ...

    @property
    def clients(self) -> Sequence[Device]:
        """Logical clients; their ``partition`` is the logical client's number."""
        ...

    @property
    def link(self) -> Link:
        """Stream to the server.

        Raises
        ------
        ExchangeError
            If the server opened none in this round.
        """
        ...
