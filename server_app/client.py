"""One of a run's clients, as the server knows it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

from strategies.common.architecture import Architecture
from strategies.common.transport.control import Description


@final
@dataclass(frozen=True)
class Client:
    """A client that can be asked to take part.

    Attributes
    ----------
    node_id : int
        Flower's id of the node that carries it.
    description : Description
        What it said of itself.
    """

    node_id: int
    description: Description

    @property
    def label(self) -> str:
        """How messages name this client."""
        return f"client {self.description.partition} ({self.description.model})"


def held_by(clients: Mapping[int, Client]) -> dict[int, Architecture]:
    """Return what the clients' models hold, by partition."""
    return {partition: client.description.holds for partition, client in clients.items()}
