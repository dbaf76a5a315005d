"""Reading a run's folder: its settings, its clients and its journal.

Tables in the terminal, the report and the benchmarks all read runs here. Files may be absent but
for ``settings.toml``; what those that are there hold is declared in ``client_list.py`` and
``journal.py``. A last line that a crash cut off is left out with a note; any other damage is an
error that names file and line.
"""

import json
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import final

from server_app.client_list import ListedClient, read_clients
from server_app.journal import NodeLine, RoundLine, read_round
from server_app.run_settings import DECIDED
from server_app.stopping import Stop, stop_of
from strategies import methods
from strategies.common.errors import RunFolderError
from strategies.common.presentation import Presentation, Setting


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
    clients : Mapping[int, ListedClient]
        Clients by number, sorted.
    rounds, notes : tuple[RoundLine, ...], tuple[str, ...]
        The journal, by round, and what was found amiss while reading it.
    started : str
        When the run began, as the server's clock had it; empty when unknown.
    decisions : Mapping[str, str]
        What was not set but chosen when the run began, with the reason.
    """

    folder: Path
    settings: Mapping[str, Setting]
    class_names: tuple[str, ...]
    clients: Mapping[int, ListedClient]
    rounds: tuple[RoundLine, ...]
    notes: tuple[str, ...] = ()
    started: str = ""
    decisions: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The run's name, which is its folder's."""
        return self.folder.name

    @property
    def method(self) -> str:
        """Name of the method."""
        return str(self.settings.get("method") or (self.rounds[-1].method if self.rounds else ""))

    @cached_property
    def presentation(self) -> Presentation:
        """What reports say of the run that its numbers do not tell, as its method states it."""
        return methods.presentation(self.method, self.settings)

    @property
    def last(self) -> RoundLine | None:
        """The last round in which a client reported an accuracy."""
        return next((line for line in reversed(self.rounds) if line.accuracy is not None), None)

    @property
    def best(self) -> RoundLine | None:
        """The round of the highest mean accuracy, the earliest of equals.

        A mean of fewer clients than the last one is of is not held against it.
        """
        told = [line for line in self.rounds if line.accuracy is not None]
        alike = [line for line in told if line.num_tested >= told[-1].num_tested]
        return max(alike, key=lambda line: line.accuracy or 0.0, default=None)

    @property
    def stop(self) -> Stop | None:
        """Where the run ended before its last round, as ``stop-after`` asks for."""
        return stop_of(self.rounds, int(self.settings.get("stop-after", 0)))

    def latest(self, client: int) -> tuple[int, NodeLine] | None:
        """Return the last round in which a client reported an accuracy, and what it said."""
        for line in reversed(self.rounds):
            node = line.answered.get(client)
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
        If the folder holds no ``settings.toml``, or a file in it cannot be read or understood.
    """
    try:
        return _read(folder)
    except OSError as error:
        raise RunFolderError(
            f"{folder}: expected a run's folder, got one that cannot be read "
            f"({error.strerror or error}); name another, or make it readable"
        ) from None


def _read(folder: Path) -> RunRecord:
    path = folder / "settings.toml"
    if not path.is_file():
        raise RunFolderError(f"{path}: expected a run's settings, found no file; give the folder")
    try:
        tables = tomllib.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise RunFolderError(f"{path}: expected TOML, got {error}") from None
    started = tables.pop("started", "")
    decisions = {name: str(told) for name, told in _decided(tables).items()}
    settings = dict(_flat(tables))
    said = read_clients(folder)
    rounds, notes = _read_rounds(folder / "rounds.jsonl")
    asked = settings.get("rounds")
    if rounds and isinstance(asked, int):
        # Who went on for longer was once not asked to write that down.
        settings["rounds"] = max(asked, rounds[-1].round_number)
    clients = dict(sorted({**_clients_of(rounds), **said.clients}.items()))
    when = f"{started:%Y-%m-%d %H:%M} UTC" if isinstance(started, datetime) else ""
    return RunRecord(
        folder.resolve(), settings, said.class_names, clients, rounds, notes, when, decisions
    )


def _decided(tables: dict[str, object]) -> Mapping[str, object]:
    """Take the table of what was chosen out of the others; older runs have none."""
    found = tables.pop(DECIDED, {})
    return found if isinstance(found, Mapping) else {}


def _clients_of(rounds: Sequence[RoundLine]) -> dict[int, ListedClient]:
    """Return what a journal tells of its clients, where no list does."""
    silent = {
        c: ListedClient.known_by("", 0, 0) for line in rounds for c in (*line.nodes, *line.aside)
    }
    return silent | {
        c: ListedClient.known_by(node.model, node.train_samples, node.test_samples)
        for line in rounds
        for c, node in line.answered.items()
    }


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
        line = read_round(value, f"{path} line {number}")
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
