"""The logical clients that one node has in one cohort: the client's side of every step."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, final

import torch
from torch import Tensor

from strategies.common.device import Device, ExchangeDevice

Batch = TypeVar("Batch")


class Members(ABC, Generic[Batch]):
    """What some clients of one node do together, step by step.

    Parameters
    ----------
    clients : Sequence[Device]
        Logical clients, ascending.
    """

    def __init__(self, clients: Sequence[Device]) -> None:
        self.clients = clients

    @abstractmethod
    def prepare(self, step: int) -> Batch:
        """Return a step's samples.

        Any step may be asked for, before the one before it has moved the weights.
        """

    @abstractmethod
    def forward(self, batch: Batch) -> tuple[Tensor, ...]:
        """Return what a frame holds, each (members, batch, *shape).

        The first tensor keeps its graph until the server's answer is there.
        """

    @abstractmethod
    def backward(self, step: int, activations: Tensor, gradient: Tensor) -> None:
        """Move the weights.

        Parameters
        ----------
        step : int
            Which one.
        activations : Tensor
            (members, batch, *latent), the first tensor of :meth:`forward`.
        gradient : Tensor
            d loss / d activations, of the same shape and on the same device.
        """


AnyMembers = TypeVar("AnyMembers", bound=Members[Any])


@final
@dataclass(frozen=True)
class Learnt(Generic[AnyMembers]):
    """What one node did in a session, client by client whatever their cohorts.

    Attributes
    ----------
    cohorts : Sequence[AnyMembers]
        Its clients, cohort by cohort.
    """

    cohorts: Sequence[AnyMembers]

    @property
    def clients(self) -> Tensor:
        """Logical clients, (clients,) int64, ascending."""
        return self._numbers().sort().values

    def rows(self, of: Callable[[AnyMembers], Tensor]) -> Tensor:
        """Return one row for each client, in the order of :attr:`clients`.

        Parameters
        ----------
        of : Callable[[AnyMembers], Tensor]
            Gives (members, ...) of one cohort.

        Returns
        -------
        Tensor
            (clients, ...) on the CPU, without a graph.
        """
        parts = [of(members).detach().cpu() for members in self.cohorts]
        return torch.cat(parts)[self._numbers().argsort()]

    def _numbers(self) -> Tensor:
        return torch.tensor([own.partition for cohort in self.cohorts for own in cohort.clients])


def seated(device: ExchangeDevice) -> dict[int, tuple[int, ...]]:
    """Return a node's logical clients by cohort, for the cohorts in which it has any."""
    seats = device.link.plan.seats(device.partition, len(device.clients))
    return {cohort: clients for cohort, clients in enumerate(seats) if clients}


def rows_of(device: ExchangeDevice, clients: Sequence[int]) -> list[int]:
    """Return at which places of a node's clients some of them stand."""
    carried = [client.partition for client in device.clients]
    return [carried.index(client) for client in clients]
