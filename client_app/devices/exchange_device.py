"""A node that exchanges activations for the clients that it carries."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import final

import torch

from client_app.data import sources
from client_app.data.kept_split import digest_of
from client_app.devices.data_device import DataDevice
from client_app.node import NodeConfig
from client_app.origin import Origin
from strategies.common import seeds
from strategies.common.errors import DataError, ExchangeError
from strategies.common.settings import RunSettings
from strategies.common.split.link import Link
from strategies.common.split.settings import SplitSettings
from strategies.common.task import Task
from strategies.common.transport.compute import torch_device


@final
class LogicalClient(DataDevice):
    """One of a node's clients, with data of its own; it holds a part of a network at most."""

    @property
    def model_name(self) -> str:
        """Nothing: the node's name says which part of which network."""
        return ""

    @cached_property
    def task(self) -> Task:
        """Shape of the task as this client's data have it."""
        return self.data_task(self.settings.feature_dim)


@final
class ExchangeNode:
    """Satisfies ``strategies.common.device.ExchangeDevice``.

    Parameters
    ----------
    split : SplitSettings
        The network that is split.
    node : NodeConfig
        What the operator says of this device.
    settings : RunSettings
        General settings of the run; say how many clients a node carries.
    round_number : int
        Current round; 0 outside of rounds.
    link : Link | None
        Stream to the server, in the rounds that have one.
    """

    def __init__(
        self,
        split: SplitSettings,
        node: NodeConfig,
        settings: RunSettings,
        round_number: int,
        link: Link | None = None,
    ) -> None:
        self.node = node
        self.settings = settings
        self.partition = node.partition_id
        self.round_number = round_number
        self.torch_device = torch_device(settings.device)
        self.model_name = split.front_name
        self._link = link

    @cached_property
    def clients(self) -> Sequence[LogicalClient]:
        """Logical clients that this node carries."""
        count = self.settings.clients_per_node
        source = sources.parse(self.node.data or self.settings.data)
        if count > 1 and source.is_one_devices_own:
            raise DataError(
                f"setting clients-per-node: expected 1 for {source.kind} data of this device's "
                f"own, got {count}; they are not dealt to clients"
            )
        first = self.partition * count
        partitions = {"num_partitions": self.node.num_partitions * count}
        return tuple(
            LogicalClient(
                self.node.model_copy(update={"partition_id": client, **partitions}),
                self.settings,
                self.round_number,
            )
            for client in range(first, first + count)
        )

    @property
    def task(self) -> Task:
        """Shape of the task, the same for all its clients."""
        return self.clients[0].task

    @property
    def origin(self) -> Origin:
        """What a state of this node is of: its front, and the data of all its clients."""
        each = [client.origin for client in self.clients]
        splits, contents = ([getattr(one, name) for one in each] for name in ("split", "contents"))
        whole = replace(each[0], model=self.model_name)
        if len(each) == 1:
            return whole
        kind = splits[0].partition(":")[0]
        return replace(
            whole, split=f"{kind}:{digest_of(splits)[:16]}", contents=digest_of(contents)[:16]
        )

    def generator(self, purpose: str) -> torch.Generator:
        """Return randomness for a purpose in this round of this node."""
        return seeds.generator(
            self.settings.seed, purpose, round_number=self.round_number, partition=self.partition
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
