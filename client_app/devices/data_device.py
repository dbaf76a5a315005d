"""What devices of every kind have: a client's split and its randomness."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cached_property

import torch

from client_app.data import prepared
from client_app.data.client_data import ClientData
from client_app.node import NodeConfig, state_folder
from strategies.common import seeds
from strategies.common.errors import DataError
from strategies.common.samples import Samples
from strategies.common.settings import RunSettings
from strategies.common.task import Task
from strategies.common.transport.compute import torch_device


class DataDevice(ABC):
    """One client in one round.

    Parameters
    ----------
    node : NodeConfig
        What the operator says of this device.
    settings : RunSettings
        General settings of the run.
    round_number : int
        Current round; 0 outside of rounds.
    """

    # Whether the client's samples are questions about images.
    asks_questions = False

    def __init__(self, node: NodeConfig, settings: RunSettings, round_number: int) -> None:
        self.node = node
        self.settings = settings
        self.partition = node.partition_id
        self.round_number = round_number
        self.torch_device = torch_device(settings.device)

    @property
    @abstractmethod
    def model_name(self) -> str:
        """Name of the client's model, for journal and report."""

    @property
    @abstractmethod
    def task(self) -> Task:
        """Shape of the task as this client's data and model have it."""

    @property
    def image_size(self) -> int:
        """Side in pixels to which images are resized; 0 keeps their size."""
        return self.settings.image_size

    @cached_property
    def data(self) -> ClientData:
        """The client's split, prepared on first use and read back afterwards."""
        settings = self.settings.model_copy(update={"image_size": self.image_size})
        spec = self.node.data or settings.data
        folder = state_folder(self.node, settings) / "prepared"
        data = prepared.load(settings, spec, self.partition, self.node.num_partitions, folder)
        if bool(data.train.questions) is not self.asks_questions:
            asks = self.asks_questions
            wanted = "questions about images" if asks else "samples without questions"
            raise DataError(
                f"setting data: expected {wanted} for method {settings.method}, got {spec}; "
                f"digitgrid and vqa sources hold questions, all others do not"
            )
        return data

    @property
    def clients(self) -> "Sequence[DataDevice]":
        """The clients that this device carries: itself."""
        return (self,)

    @property
    def train(self) -> Samples:
        """Samples to learn from."""
        return self.data.train

    @property
    def test(self) -> Samples:
        """Samples that are never trained on."""
        return self.data.test

    def generator(self, purpose: str) -> torch.Generator:
        """Return randomness for a purpose in this round of this client."""
        return seeds.generator(
            self.settings.seed,
            purpose,
            round_number=self.round_number,
            partition=self.partition,
        )

    def data_task(self, feature_dim: int) -> Task:
        """Return the task as the data have it, with a width of features."""
        return Task(self.data.num_classes, self.data.inputs, feature_dim)
