"""What devices of every kind have: a client's split and its randomness."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from copy import copy
from functools import cached_property
from pathlib import Path
from typing import Self

import torch

from client_app.data import copies, prepared, sources
from client_app.data.client_data import ClientData
from client_app.node import NodeConfig, state_folder
from client_app.origin import Origin
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

    Attributes
    ----------
    answers : Sequence[str]
        What the client's head was trained to answer; empty where it is yet to be.
    """

    # Whether the client's samples are questions about images.
    asks_questions = False

    def __init__(self, node: NodeConfig, settings: RunSettings, round_number: int) -> None:
        self.node = node
        self.settings = settings
        self.partition = node.partition_id
        self.round_number = round_number
        self.torch_device = torch_device(settings.device)
        self.answers: Sequence[str] = ()
        self._validates = False

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

    @property
    def prepared(self) -> Path:
        """Where prepared data are kept on this device."""
        return state_folder(self.node, self.settings) / "prepared"

    @cached_property
    def data(self) -> ClientData:
        """The client's split, prepared on first use and read back afterwards."""
        self.require_kind()
        settings = self.node.reading(self.settings)
        settings = settings.model_copy(update={"image_size": self.image_size})
        spec = self.node.data or settings.data
        clients = self.node.num_partitions
        return prepared.load(settings, spec, self.partition, clients, self.prepared, self.answers)

    def require_kind(self) -> None:
        """Refuse data without questions where these are asked, and data with some elsewhere."""
        source = sources.parse(self.node.data or self.settings.data)
        source.require_questions(self.settings.method, asked=self.asks_questions)

    @property
    def origin(self) -> Origin:
        """What a state of this client is of."""
        own = self.data
        spec = self.node.data or self.settings.data
        return Origin(self.model_name, spec, own.split, own.contents, own.class_names, own.read_as)

    @property
    def clients(self) -> "Sequence[DataDevice]":
        """The clients that this device carries: itself."""
        return (self,)

    @property
    def train(self) -> Samples:
        """Samples to learn from, without those held out."""
        return self._learnt_and_held_out[0]

    @property
    def own_train(self) -> Samples:
        """Those of them that were not generated."""
        return self.train

    @property
    def test(self) -> Samples:
        """Samples that are never trained on."""
        return self._learnt_and_held_out[1] if self._validates else self.data.test

    def validating(self) -> Self:
        """Return this client with the training samples held out in the place of its test's."""
        twin = copy(self)
        twin._validates = True
        return twin

    @cached_property
    def _learnt_and_held_out(self) -> tuple[Samples, Samples]:
        """Training samples in two parts, the same in every round of a run.

        Raises
        ------
        DataError
            If there are too few to part.
        """
        train, share = self.data.train, self.settings.validation_share
        if not share:
            return train, train.rows(torch.empty(0, dtype=torch.int64))
        if len(train) < 3:
            raise DataError(
                f"setting validation-share: expected at least 3 training samples to hold out from, "
                f"got {len(train)}; set it to 0, or give client {self.partition} more samples"
            )
        # For the whole run, hence without a round: nothing needs to be kept of what was drawn.
        draw = seeds.generator(self.settings.seed, "validation", partition=self.partition)
        # Who learns from a copy of what is held out, or asks about the same picture, knows it.
        groups = copies.groups(train.inputs)
        places = copies.alike(self.data.standing, groups)
        first = self.data.num_first_train or int(groups.max()) + 1
        drawn = torch.randperm(first, generator=draw)[: max(1, int(share * first))]
        # A sample that came later is held out by a number of its own.
        held_out = torch.isin(places, drawn.to(torch.float64)) | ((places < 0) & (places >= -share))
        if bool(held_out.all()) or not bool(held_out.any()):
            held_out = places == places[places.abs().argmin()]
        if bool(held_out.all()):
            raise DataError(
                f"setting validation-share: expected training samples that differ, to hold some "
                f"out, got {len(train)} of one input; set it to 0, or give client "
                f"{self.partition} others"
            )
        return train.rows((~held_out).nonzero().flatten()), train.rows(held_out.nonzero().flatten())

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
