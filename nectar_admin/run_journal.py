"""What the newest run on this server says of its clients.

Read from ``clients.json`` and ``rounds.jsonl`` with what is needed here: the apps' own reader is
not at hand where these commands run. Damage is passed over; ``server_app`` is who refuses it.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, final

from nectar_admin.errors import AdminError

_CLIENTS: Final = "clients.json"
_JOURNAL: Final = "rounds.jsonl"
_LONGEST_REASON: Final = 120
# As long as that of a node may be; signs such as ² are digits to Python and no number.
_NUMBER: Final = re.compile(r"[0-9]{1,20}")


@final
@dataclass(frozen=True)
class ClientRounds:
    """What a journal says of one client.

    Attributes
    ----------
    last_round : int
        Last round in which its reply counted; 0 for none.
    failures : int
        Rounds in which it failed.
    last_failure : str
        The reason of the last of them, on one line of printable characters; it came from a
        device and is not trusted.
    """

    last_round: int
    failures: int
    last_failure: str


@final
@dataclass(frozen=True)
class Run:
    """A run as seen from here.

    Attributes
    ----------
    name : str
        Name of its folder.
    played : int
        Last complete round.
    clients : Mapping[int, int]
        Clients by the number of their node.
    rounds : Mapping[int, ClientRounds]
        What the journal says, by client.
    """

    name: str
    played: int
    clients: Mapping[int, int]
    rounds: Mapping[int, ClientRounds]


def newest_run(folder: Path) -> Run | None:
    """Return the run that was written to last, or ``None`` where there is none.

    Parameters
    ----------
    folder : Path
        The server's ``runs-dir``, or the folder of one run.

    Raises
    ------
    AdminError
        If there is no such folder.
    """
    if not folder.is_dir():
        raise AdminError(f"--runs-dir {folder}: expected the server's runs-dir, found no folder")
    runs = [path for path in (folder, *folder.iterdir()) if (path / _CLIENTS).is_file()]
    newest = max(runs, key=_written, default=None)
    return None if newest is None else _read(newest)


def _written(run: Path) -> float:
    files = (run / name for name in (_CLIENTS, _JOURNAL))
    return max(file.stat().st_mtime for file in files if file.exists())


def _read(folder: Path) -> Run:
    clients = {}
    for client, entry in _mapping(_mapping(_parsed(folder / _CLIENTS)).get("clients")).items():
        node_id = str(_mapping(entry).get("node_id"))
        if _NUMBER.fullmatch(node_id) and _NUMBER.fullmatch(client):
            clients[int(node_id)] = int(client)
    played, rounds = _read_journal(folder / _JOURNAL)
    return Run(folder.name, played, clients, rounds)


def _read_journal(path: Path) -> tuple[int, dict[int, ClientRounds]]:
    played, rounds = 0, dict[int, ClientRounds]()
    if not path.exists():
        return played, rounds
    with path.open(errors="replace") as file:
        for text in file:
            line = _mapping(_json(text))
            if not isinstance(line.get("round"), int):
                continue
            played = line["round"]
            for client, entry in _mapping(line.get("nodes")).items():
                if _NUMBER.fullmatch(client):
                    before = rounds.get(int(client), ClientRounds(0, 0, ""))
                    rounds[int(client)] = _after(before, played, _mapping(entry))
    return played, rounds


def _after(before: ClientRounds, played: int, entry: Mapping[str, Any]) -> ClientRounds:
    if "failure" not in entry:
        return ClientRounds(played, before.failures, before.last_failure)
    reason = _printable(str(entry["failure"]))
    return ClientRounds(before.last_round, before.failures + 1, reason)


def _printable(text: str) -> str:
    line = "".join(c if c.isprintable() else " " for c in text)
    line = " ".join(line.split())
    return line if len(line) <= _LONGEST_REASON else f"{line[: _LONGEST_REASON - 1]}…"


def _parsed(path: Path) -> object:
    return _json(path.read_text(errors="replace"))


def _json(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
