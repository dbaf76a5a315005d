"""Reading a run's folder: its settings, its clients and its journal.

This is the one place where ``settings.toml``, ``clients.json`` and ``rounds.jsonl`` are
read back; the log, the table in the terminal, TensorBoard and the report all use it.
Optional keys may be absent. A last line that a crash cut off is left out with a note; any
other damage is an error that names file and line.
"""

import json
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, TypeVar, final

from pydantic import Field, TypeAdapter, ValidationError

from strategies.common.errors import RunFolderError

Setting = bool | int | float | str
Parsed = TypeVar("Parsed")


@final
@dataclass(frozen=True)
class NodeLine:
    """What one client did in one round; what is absent is ``None``, empty or zero.

    Attributes
    ----------
    accuracy, loss : float | None
        Of the client's own model on its own test split, after training.
    tested_by : str
        ``"device"``, or ``"server"`` where that holds the rest of the network.
    model : str
        Name of its architecture.
    train_samples, test_samples : int
        Samples behind the numbers.
    took_part : bool
        Whether the client trained; otherwise it was evaluated alone.
    uplink_bytes, downlink_bytes, payload_bytes : int, int, Mapping[str, int]
        What crossed the network for this client, and the part of each payload by schema.
    seconds : Mapping[str, float]
        Time on the device by phase, with ``"total"``.
    scores : Mapping[str, float]
        How other models of the client do on the same samples, by name.
    losses : Mapping[str, float]
        Mean training losses by name.
    figures : Mapping[str, float]
        What the round cost the device, by name.
    notes, failure : tuple[str, ...], str | None
        What the device has to say, and why its reply does not count; not trusted.
    """

    accuracy: float | None = None
    loss: float | None = None
    tested_by: str = "device"
    model: str = ""
    train_samples: int = 0
    test_samples: int = 0
    took_part: bool = True
    uplink_bytes: int = 0
    downlink_bytes: int = 0
    payload_bytes: Mapping[str, int] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)
    scores: Mapping[str, float] = field(default_factory=dict)
    losses: Mapping[str, float] = field(default_factory=dict)
    figures: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    failure: str | None = None


@final
@dataclass(frozen=True)
class RoundLine:
    """One line of the journal.

    Attributes
    ----------
    round_number : int
        From 1.
    method : str
        Name of the method.
    accuracy, loss, accuracy_std : float | None
        Means over the clients that reported, weighted by test samples, and the standard
        deviation of the accuracy over them.
    scores : Mapping[str, float]
        Means of the clients' other scores by name, weighted by test samples.
    seconds : Mapping[str, float]
        Time on the server by phase, with ``"total"``.
    diagnostics, notes : Mapping[str, float], tuple[str, ...]
        What the server half measured and has to say.
    nodes : Mapping[int, NodeLine]
        Clients by number, sorted.
    """

    round_number: Annotated[int, Field(alias="round", ge=0)]
    method: str = ""
    accuracy: float | None = None
    loss: float | None = None
    accuracy_std: float | None = None
    scores: Mapping[str, float] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)
    diagnostics: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    nodes: Mapping[int, NodeLine] = field(default_factory=dict)

    @property
    def answered(self) -> Mapping[int, NodeLine]:
        """Clients whose reply counts."""
        return {c: node for c, node in sorted(self.nodes.items()) if node.failure is None}

    @property
    def failures(self) -> Mapping[int, str]:
        """Reason by client."""
        nodes = sorted(self.nodes.items())
        return {c: node.failure for c, node in nodes if node.failure is not None}

    @property
    def uplink_bytes(self) -> int:
        """Bytes from all clients together."""
        return sum(node.uplink_bytes for node in self.nodes.values())

    @property
    def downlink_bytes(self) -> int:
        """Bytes to all clients together."""
        return sum(node.downlink_bytes for node in self.nodes.values())


@final
@dataclass(frozen=True)
class Client:
    """What a client told of itself when the run began.

    Attributes
    ----------
    model, train_samples, test_samples : str, int, int
        Name of its architecture and sizes of its split.
    train_counts, test_counts : tuple[int, ...] | None
        Samples by class; ``None`` where devices do not share them. A node that carries several
        logical clients gives theirs one after another.
    clients : int
        Logical clients that the node carries.
    notes : tuple[str, ...]
        Not trusted.
    figures : Mapping[str, float]
        What one logical client costs the device, by name, where it was measured.
    """

    model: str = ""
    train_samples: int = 0
    test_samples: int = 0
    train_counts: tuple[int, ...] | None = None
    test_counts: tuple[int, ...] | None = None
    clients: Annotated[int, Field(ge=1)] = 1
    notes: tuple[str, ...] = ()
    figures: Mapping[str, float] = field(default_factory=dict)


@final
@dataclass(frozen=True)
class _Federation:
    """The layout of ``clients.json``."""

    class_names: tuple[str, ...] = ()
    clients: Mapping[int, Client] = field(default_factory=dict)


_ROUND = TypeAdapter(RoundLine)
_FEDERATION = TypeAdapter(_Federation)


@final
@dataclass(frozen=True)
class RunRecord:
    """All that a run's folder tells of the run.

    Attributes
    ----------
    folder, settings : Path, Mapping[str, Setting]
        Where it was read, and its settings, a table's key as ``"versions.flwr"``.
    class_names : tuple[str, ...]
        Names of the classes; empty when unknown.
    clients : Mapping[int, Client]
        Clients by number, sorted.
    rounds, notes : tuple[RoundLine, ...], tuple[str, ...]
        The journal, by round, and what was found amiss while reading it.
    """

    folder: Path
    settings: Mapping[str, Setting]
    class_names: tuple[str, ...]
    clients: Mapping[int, Client]
    rounds: tuple[RoundLine, ...]
    notes: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The run's name, which is its folder's."""
        return self.folder.name

    @property
    def method(self) -> str:
        """Name of the method."""
        return str(self.settings.get("method") or (self.rounds[-1].method if self.rounds else ""))

    @property
    def last(self) -> RoundLine | None:
        """The last round in which a client reported an accuracy."""
        return next((line for line in reversed(self.rounds) if line.accuracy is not None), None)

    @property
    def best(self) -> RoundLine | None:
        """The round of the highest mean accuracy, the earliest of equals."""
        told = (line for line in self.rounds if line.accuracy is not None)
        return max(told, key=lambda line: line.accuracy or 0.0, default=None)

    def latest(self, client: int) -> tuple[int, NodeLine] | None:
        """Return the last round in which a client reported an accuracy, and what it said."""
        for line in reversed(self.rounds):
            node = line.nodes.get(client)
            if node is not None and node.accuracy is not None:
                return line.round_number, node
        return None

    def trained(self, client: int | None = None) -> list[NodeLine]:
        """Return every reply after training, of one client or of all."""
        return [
            node
            for line in self.rounds
            for number, node in line.answered.items()
            if node.took_part and client in {None, number}
        ]


def read_run_record(folder: Path) -> RunRecord:
    """Read a run's folder.

    Raises
    ------
    RunFolderError
        If the folder holds no ``settings.toml``, or a file in it cannot be understood.
    """
    path = folder / "settings.toml"
    if not path.is_file():
        raise RunFolderError(f"{path}: expected a run's settings, found no file; give the folder")
    try:
        settings = dict(_flat(tomllib.loads(path.read_text("utf-8"))))
    except ValueError as error:
        raise RunFolderError(f"{path}: expected TOML, got {error}") from None
    path = folder / "clients.json"
    said = _parse(_FEDERATION, path.read_bytes(), path) if path.is_file() else _Federation()
    rounds, notes = _read_rounds(folder / "rounds.jsonl")
    clients = {c: _client(node) for line in rounds for c, node in line.answered.items()}
    clients = {c: Client() for line in rounds for c in line.nodes} | clients | {**said.clients}
    clients = dict(sorted(clients.items()))
    return RunRecord(folder.resolve(), settings, said.class_names, clients, rounds, notes)


def read_round(line: Mapping[str, object]) -> RoundLine:
    """Read one line of the journal that is already a mapping.

    Raises
    ------
    RunFolderError
        If a value has the wrong type.
    """
    return _validate(_ROUND, line, f"round {line.get('round')}")


def _client(node: NodeLine) -> Client:
    return Client(node.model, node.train_samples, node.test_samples)


def _read_rounds(path: Path) -> tuple[tuple[RoundLine, ...], tuple[str, ...]]:
    rows = path.read_bytes().splitlines() if path.is_file() else []
    rounds: dict[int, RoundLine] = {}
    notes: list[str] = []
    for number, row in enumerate(rows, start=1):
        try:
            value = json.loads(row)
        except ValueError as error:
            if number < len(rows):
                raise RunFolderError(f"{path} line {number}: expected JSON, got {error}") from None
            notes.append("The journal's last line is cut off and is left out.")
            break
        line = _validate(_ROUND, value, f"{path} line {number}")
        if line.round_number in rounds:
            notes.append(f"Round {line.round_number} was run twice; the later line counts.")
        rounds[line.round_number] = line
    return tuple(rounds[number] for number in sorted(rounds)), tuple(notes)


def _flat(table: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, Setting]]:
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield (
                f"{prefix}{key}".removeprefix("settings."),
                value if isinstance(value, Setting) else str(value),
            )


def _parse(adapter: TypeAdapter[Parsed], content: bytes, path: Path) -> Parsed:
    try:
        value = json.loads(content)
    except ValueError as error:
        raise RunFolderError(f"{path}: expected JSON, got {error}") from None
    return _validate(adapter, value, str(path))


def _validate(adapter: TypeAdapter[Parsed], value: object, where: str) -> Parsed:
    try:
        return adapter.validate_python(value)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise RunFolderError(f"{where}: {key}: {first['msg']}, got {first['input']!r}") from None
