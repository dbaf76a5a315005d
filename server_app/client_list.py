"""The clients of a run, ``clients.json``: what each told of itself when the run began."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final, final

from pydantic import ConfigDict, Field

from server_app.client import Client
from server_app.schema import STRICT, Schema
from strategies.common.errors import RunFolderError
from strategies.common.task import Task
from strategies.common.transport.control import Description

FILE: Final = "clients.json"
# What entries of older runs lack, and what held then.
_NOT_YET_WRITTEN: Final[Mapping[str, object]] = {
    "clients": 1,
    "figures": {},
    "node_id": None,
    "generated": 0,
}


@final
@dataclass(frozen=True)
class ListedClient:
    """What a client told of itself.

    Attributes
    ----------
    model, train_samples, test_samples : str, int, int
        Name of its architecture and sizes of its split.
    train_counts, test_counts : tuple[int, ...] | None
        Own samples by class; ``None`` where devices do not share them. A node that carries several
        logical clients gives theirs one after another.
    clients : int
        Logical clients that the node carries.
    notes : tuple[str, ...]
        Not trusted.
    figures : Mapping[str, float]
        What one logical client costs the device, by name, where it was measured.
    node_id : str | None
        Flower's number of the node that carried it last, as a string since many readers of JSON
        round numbers of that size; ``None`` where it was not written down.
    generated : int
        Of the training samples, those that it generated before the first round.
    """

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    model: str
    train_samples: int
    test_samples: int
    train_counts: tuple[int, ...] | None
    test_counts: tuple[int, ...] | None
    clients: Annotated[int, Field(ge=1)]
    notes: tuple[str, ...]
    figures: Mapping[str, float]
    node_id: str | None
    generated: Annotated[int, Field(ge=0)]

    @property
    def own_samples(self) -> int:
        """Training samples that it did not generate."""
        return self.train_samples - self.generated

    @classmethod
    def of(cls, described: Description, node_id: int) -> "ListedClient":
        """Return a client's entry."""
        return cls(
            model=described.model,
            train_samples=described.train_samples,
            test_samples=described.test_samples,
            train_counts=tuple(described.train_counts) or None,
            test_counts=tuple(described.test_counts) or None,
            clients=described.clients,
            notes=tuple(described.notes),
            figures=described.figures,
            node_id=str(node_id),
            generated=described.generated,
        )

    @classmethod
    def known_by(cls, model: str, train_samples: int, test_samples: int) -> "ListedClient":
        """Return the entry of a client of which a journal alone tells."""
        return cls(model, train_samples, test_samples, None, None, 1, (), {}, None, 0)


@final
@dataclass(frozen=True)
class ClientList:
    """The layout of ``clients.json``.

    Attributes
    ----------
    task : Mapping[str, object]
        What the clients agree on, as ``Task.to_values`` writes it.
    class_names : tuple[str, ...]
        Names of the classes; empty when unknown.
    clients : Mapping[int, ListedClient]
        Clients by number.
    """

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    task: Mapping[str, Any]
    class_names: tuple[str, ...]
    clients: Mapping[int, ListedClient]

    def with_clients(self, task: Task, clients: Mapping[int, Client]) -> "ClientList":
        """Return a list with clients that are there; one that is away keeps its entry."""
        described = [client.description for client in clients.values()]
        names = next((one.class_names for one in described if one.class_names), [])
        told = {p: ListedClient.of(one.description, one.node_id) for p, one in clients.items()}
        every = dict(sorted({**self.clients, **told}.items()))
        return ClientList(task.to_values(), tuple(names), every)


_SCHEMA = Schema(ClientList)


def write_clients(clients: ClientList) -> str:
    """Return the text of the file."""
    return json.dumps(_SCHEMA.to_json(clients), indent=1)


def read_clients(folder: Path) -> ClientList:
    """Read the file of a run's folder; an empty list where there is none.

    Raises
    ------
    RunFolderError
        If the file cannot be understood.
    """
    path = folder / FILE
    if not path.is_file():
        return ClientList({}, (), {})
    try:
        value = json.loads(path.read_bytes())
    except ValueError as error:
        raise RunFolderError(f"{path}: expected JSON, got {error}") from None
    return _SCHEMA.read(_completed(value), str(path))


def num_shares(folder: Path) -> int:
    """Return to how many clients the data of a run were dealt.

    0 where all have data of their own, and where the file is not there or tells nothing.
    """
    try:
        dealt = Task.from_values(read_clients(folder).task).meaning.dealt
    except (RunFolderError, KeyError, TypeError, ValueError):
        return 0
    return dealt.num_partitions if dealt else 0


def _completed(value: object) -> object:
    """Add to the entries of an older run what was not written then."""
    if not isinstance(value, Mapping) or not isinstance(value.get("clients"), Mapping):
        return value
    entries = {
        client: {**_NOT_YET_WRITTEN, **entry} if isinstance(entry, Mapping) else entry
        for client, entry in value["clients"].items()
    }
    return {**value, "clients": entries}
