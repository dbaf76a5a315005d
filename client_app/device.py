"""The concrete device: one client with its data, its model and its randomness."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, final

import torch

from client_app.backbones import loading
from client_app.data import prepared
from client_app.data.client_data import ClientData
from client_app.node import NodeConfig, state_folder
from models import catalogue
from strategies.common import seeds
from strategies.common.adapters.backbone import Backbone
from strategies.common.adapters.settings import AdapterSettings
from strategies.common.errors import DataError, ExchangeError, ModelError
from strategies.common.method import ClientHalf
from strategies.common.model import FeatureModel
from strategies.common.samples import Samples
from strategies.common.settings import RunConfig, RunSettings
from strategies.common.split.link import Link
from strategies.common.task import Foundation, Task
from strategies.common.transport.compute import torch_device
from strategies.methods import adapter_settings


@final
@dataclass(frozen=True)
class Adapting:
    """What a method adapts.

    Attributes
    ----------
    settings : AdapterSettings
        Which foundation model.
    foundation : Callable[[Backbone], Foundation]
        What the server must know of it.
    """

    settings: AdapterSettings
    foundation: Callable[[Backbone], Foundation]

    @classmethod
    def of(cls, half: ClientHalf[Any, Any, Any], config: RunConfig) -> "Adapting | None":
        """Return what a method adapts, or ``None`` where it trains models of the device's own."""
        return cls(adapter_settings(config), half.foundation) if half.adapts else None


@final
class LocalDevice:
    """One client in one round; satisfies ``strategies.common.device.Device``.

    Parameters
    ----------
    node : NodeConfig
        What the operator says of this device.
    settings : RunSettings
        General settings of the run.
    round_number : int
        Current round; 0 outside of rounds.
    carried : int
        Logical clients on this node; with more than one, data belong to ``clients``.
    link : Link | None
        Stream to the server, where the method exchanges activations.
    adapting : Adapting | None
        What the method adapts, where it trains adapters.
    """

    def __init__(
        self,
        node: NodeConfig,
        settings: RunSettings,
        round_number: int,
        *,
        carried: int = 1,
        link: Link | None = None,
        adapting: Adapting | None = None,
    ) -> None:
        self.settings = settings
        self._adapting = adapting
        self._carried = carried
        self._link = link
        self.partition = node.partition_id
        self.round_number = round_number
        self.torch_device = torch_device(settings.device)
        names = catalogue.check(node.model or settings.models)
        self.model_name = (
            adapting.settings.model_name if adapting else catalogue.dealt(names, node.partition_id)
        )
        self._node = node

    @cached_property
    def data(self) -> ClientData:
        """The client's split, prepared on first use and read back afterwards."""
        settings = self.settings
        if self._adapting and not settings.image_size:
            settings = settings.model_copy(update={"image_size": self.backbone.image_size})
        spec = self._node.data or settings.data
        data = prepared.load(
            settings,
            spec,
            self._node.partition_id,
            self._node.num_partitions,
            self._cache,
        )
        if bool(data.train.questions) is not (self._adapting is not None):
            wanted = "questions about images" if self._adapting else "samples without questions"
            raise DataError(
                f"setting data: expected {wanted} for method {settings.method}, got {spec}; "
                f"digitgrid and vqa sources hold questions, all others do not"
            )
        return data

    @property
    def train(self) -> Samples:
        """Samples to learn from."""
        return self.data.train

    @property
    def test(self) -> Samples:
        """Samples that are never trained on."""
        return self.data.test

    @cached_property
    def clients(self) -> Sequence["LocalDevice"]:
        """Logical clients that this node carries; itself where it carries one."""
        count = self._carried
        if count == 1:
            return (self,)
        if (self._node.data or self.settings.data).startswith("folder:"):
            raise DataError(
                f"setting clients-per-node: expected 1 for a folder of this device's own, got "
                f"{count}; a folder is not dealt to clients"
            )
        first = self.partition * count
        partitions = {"num_partitions": self._node.num_partitions * count}
        return tuple(
            LocalDevice(
                self._node.model_copy(update={"partition_id": client, **partitions}),
                self.settings,
                self.round_number,
            )
            for client in range(first, first + count)
        )

    @property
    def link(self) -> Link:
        """Stream to the server.

        Raises
        ------
        ExchangeError
            If the server opened none in this round.
        """
        if self._link is None:
            raise ExchangeError(
                f"round {self.round_number}: expected an invitation to exchange activations, got "
                f"none; server and devices must run the same version and method"
            )
        return self._link

    @cached_property
    def task(self) -> Task:
        """Shape of the task as this client's data and model have it."""
        if self._carried > 1:
            return self.clients[0].task
        _, channels, height, width = self.data.train.inputs.shape
        shape = Task(self.data.num_classes, channels, height, width, self.settings.feature_dim)
        if self._adapting:
            return replace(
                shape,
                feature_dim=self.backbone.feature_dim,
                foundation=self._adapting.foundation(self.backbone),
            )
        if shape.feature_dim:
            return shape
        feature_dim = self._build(shape).feature_dim
        return Task(self.data.num_classes, channels, height, width, feature_dim)

    @cached_property
    def backbone(self) -> Backbone:
        """Frozen foundation model, loaded once per process.

        Raises
        ------
        ModelError
            If the method adapts none, or it cannot be loaded.
        """
        if self._adapting is None:
            raise ModelError(f"method {self.settings.method}: it adapts no foundation model")
        kept = loading.cache_folder(state_folder(self._node, self.settings))
        return loading.load(self._adapting.settings.backbone, self.torch_device, kept)

    def build_model(self) -> FeatureModel:
        """Build this client's own architecture with fresh, seeded weights."""
        return self._build(self.task).to(self.torch_device)

    def generator(self, purpose: str) -> torch.Generator:
        """Return randomness for a purpose in this round of this client."""
        return seeds.generator(
            self.settings.seed,
            purpose,
            round_number=self.round_number,
            partition=self.partition,
        )

    def _build(self, task: Task) -> FeatureModel:
        seed = seeds.derive(self.settings.seed, "model", partition=self.partition)
        return catalogue.build(self.model_name, task, self.settings.feature_dim, seed)

    @property
    def _cache(self) -> Path:
        return state_folder(self._node, self.settings) / "prepared"
