"""The concrete device: one client with its data, its model and its randomness."""

from functools import cached_property
from pathlib import Path
from typing import final

import torch

from client_app.data import prepared
from client_app.data.prepared import ClientData
from client_app.models import catalogue
from client_app.node import NodeConfig, state_folder
from strategies.common import seeds
from strategies.common.compute import torch_device
from strategies.common.model import FeatureModel
from strategies.common.samples import Samples
from strategies.common.settings import RunSettings
from strategies.common.task import Task


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
    """

    def __init__(self, node: NodeConfig, settings: RunSettings, round_number: int) -> None:
        self.settings = settings
        self.partition = node.partition_id
        self.round_number = round_number
        self.torch_device = torch_device(settings.device)
        names = catalogue.check(node.model or settings.models)
        self.model_name = catalogue.dealt(names, node.partition_id)
        self._node = node

    @cached_property
    def data(self) -> ClientData:
        """The client's split, prepared on first use and read back afterwards."""
        return prepared.load(
            self.settings,
            self._node.data or self.settings.data,
            self._node.partition_id,
            self._node.num_partitions,
            self._cache,
        )

    @property
    def train(self) -> Samples:
        """Samples to learn from."""
        return self.data.train

    @property
    def test(self) -> Samples:
        """Samples that are never trained on."""
        return self.data.test

    @cached_property
    def task(self) -> Task:
        """Shape of the task as this client's data and model have it."""
        _, channels, height, width = self.data.train.inputs.shape
        shape = Task(self.data.num_classes, channels, height, width, self.settings.feature_dim)
        if shape.feature_dim:
            return shape
        feature_dim = self._build(shape).feature_dim
        return Task(self.data.num_classes, channels, height, width, feature_dim)

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
