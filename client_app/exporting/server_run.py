"""A run's folder on the server, as far as an export reads it: the last state, and accuracies.

A device has no such folder. Where the server holds a part of what classifies, its operator hands
over a copy, or exports on the server's machine.
"""

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, final

from torch import Tensor

from client_app.exporting.card import Measured
from client_app.node import OF_READING
from strategies import methods
from strategies.common import same_run, tensor_file
from strategies.common.errors import StoreError
from strategies.common.home import expanded
from strategies.common.run_config import RunConfig, default_config
from strategies.common.settings import DEVICES_OWN
from strategies.common.task import Task

_SETTINGS: Final = "settings.toml"
_JOURNAL: Final = "rounds.jsonl"
_CHECKPOINTS: Final = "checkpoints"
# What a device may say itself, whatever the run's settings say.
_DEVICES: Final = DEVICES_OWN | {key.replace("_", "-") for key in OF_READING}


@final
@dataclass(frozen=True)
class ServerRun:
    """What a server knew after the last round that its journal tells of.

    Attributes
    ----------
    folder : Path
        Where it stands.
    round_number : int
        That round.
    task : Task
        What all clients learnt.
    tensors : Mapping[str, Tensor]
        State of the server half.
    last : Mapping[str, Any]
        The line of the journal.
    accepted : Mapping[int, int]
        Last round that was accepted from each client, by partition: whose state was tested.
    """

    folder: Path
    round_number: int
    task: Task
    tensors: Mapping[str, Tensor]
    last: Mapping[str, Any]
    accepted: Mapping[int, int]

    def measured(self, client: int) -> Measured | None:
        """Return how a client did in that round, if it was tested."""
        entry = self.last.get("nodes", {}).get(str(client), {})
        accuracy = entry.get("accuracy")
        if accuracy is None:
            return None
        told = f"journal of {self.folder.name}, round {self.round_number}"
        return Measured(float(accuracy), int(entry.get("test_samples", 0)), told)


def read(folder: Path, config: RunConfig, run: str = "") -> ServerRun:
    """Read a run's folder.

    Parameters
    ----------
    folder : Path
        ``<runs-dir>/<run-name>``.
    config : RunConfig
        Settings of the client's state, with which the run's must agree.
    run : str
        Name of the run that the state is of; empty where the state does not say.

    Raises
    ------
    StoreError
        If it is no run's folder, is of another run, or is damaged.
    """
    folder = expanded(folder, "--server ")
    _require_same(folder, config, run)
    last = _last_line(folder)
    number = int(last["round"])
    checkpoints = folder / _CHECKPOINTS
    if number not in tensor_file.rounds_in(checkpoints):
        raise StoreError(
            f"--server {folder}: expected the checkpoint of round {number}, the last of its "
            f"journal, found none in {checkpoints}; copy the whole folder of the run"
        )
    tensors, text = tensor_file.read_round(checkpoints, number)
    try:
        told = json.loads(text["checkpoint"])
        task = Task.from_values(told["task"])
        accepted = {int(client): int(known) for client, known in told["accepted"].items()}
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise StoreError(
            f"--server {folder}: expected a checkpoint with its task, got: {error}; export with "
            f"the version of Nectar that played the run"
        ) from None
    return ServerRun(folder, number, task, tensors, last, accepted)


def _require_same(folder: Path, config: RunConfig, run: str) -> None:
    try:
        found = tomllib.loads((folder / _SETTINGS).read_text("utf-8"))["settings"]
    except (OSError, KeyError, ValueError, RecursionError) as error:
        raise StoreError(
            f"--server {folder}: expected the folder of a run on the server, with {_SETTINGS}, "
            f"got: {error}; name <runs-dir>/<run-name>"
        ) from None
    there = {**default_config(), **found}
    differing = [
        f"{key} is {there.get(key)!r} there and {config[key]!r} in the client's state"
        for key in same_run.differing(
            found,
            config,
            config.keys() - _DEVICES,
            follows_rounds=methods.follows_rounds({**there, **config}),
        )
    ]
    # A copy may have another name than the run, and so may a run whose folder was moved.
    names = (str(found.get("run-name", "")), folder.absolute().name)
    if run and names[0] and run not in names:
        differing.append(f"the run is {names[0]} there and {run} in the client's state")
    if differing:
        raise StoreError(
            f"--server {folder}: expected the run that the client's state is of, got another: "
            f"{'; '.join(differing)}; name <runs-dir>/<run-name> of the state's run"
        )


def _last_line(folder: Path) -> Mapping[str, Any]:
    path = folder / _JOURNAL
    try:
        lines = path.read_text("utf-8").splitlines(keepends=True)
        # The last line without its end is a crash, and did not count.
        complete = [line for line in lines if line.endswith("\n")]
        line: dict[str, Any] = json.loads(complete[-1])
        int(line["round"])
    except (OSError, ValueError, KeyError, TypeError, IndexError, RecursionError):
        raise StoreError(
            f"--server {folder}: expected a journal {_JOURNAL} with a complete round, found none; "
            f"copy the whole folder of the run"
        ) from None
    return line
