"""What a round starts from, and where its activations are exchanged."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, final

from server_app.client import Client
from server_app.round_record import RoundRecord
from strategies.common.round import Aggregated
from strategies.common.split.wire.invitation import Invitation
from strategies.common.task import Task


@final
@dataclass(frozen=True)
class RoundContext:
    """All that a round is played with.

    Attributes
    ----------
    round_number : int
        Which round, from 1.
    clients : Mapping[int, Client]
        Who is there, by partition.
    state : object
        State of the server half, from which the downlink payloads come.
    task : Task
        What the clients agree on.
    accepted : Mapping[int, int]
        Last round accepted from each client, by partition.
    """

    round_number: int
    clients: Mapping[int, Client]
    state: object
    task: Task
    accepted: Mapping[int, int]


@final
@dataclass(frozen=True)
class PlayedRound:
    """A round whose replies are in.

    Attributes
    ----------
    record : RoundRecord
        What happened.
    context : RoundContext
        What it was played with, and whoever came for a second try.
    aggregate : Callable[[], Aggregated]
        Lets the server half take in what came, once.
    """

    record: RoundRecord
    context: RoundContext
    aggregate: Callable[[], Aggregated]


class Session(Protocol):
    """Where the clients of one round exchange activations with the server."""

    @property
    def partitions(self) -> tuple[int, ...]:
        """Nodes that take part, ascending."""
        ...

    @property
    def steps(self) -> tuple[int, int]:
        """How many steps were played together, and of how many."""
        ...

    @property
    def refused(self) -> Mapping[int, str]:
        """Nodes whose activations were left out, with the reason."""
        ...

    def invitation(self, partition: int) -> Invitation:
        """Return what a node needs to take part."""
        ...

    def hopeless(self) -> str | None:
        """Return why no further reply is to be expected, or ``None``."""
        ...
