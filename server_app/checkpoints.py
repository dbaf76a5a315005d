"""Server checkpoints: the last two rounds and the best one."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import final

from torch import Tensor

from strategies.common import tensor_file
from strategies.common.errors import RunFolderError, StoreError
from strategies.common.task import Task

_KEPT = 2


@final
@dataclass(frozen=True)
class Checkpoint:
    """All that the server needs to go on after a round.

    Attributes
    ----------
    round_number : int
        Last complete round.
    task : Task
        What the clients agree on.
    accepted : dict[int, int]
        Last round accepted from each client, by partition.
    best_round : int
        Round with the best mean accuracy so far, on validation where samples are held out; 0 for
        none.
    best_accuracy : float
        That accuracy.
    tensors : dict[str, Tensor]
        State of the server half.
    """

    round_number: int
    task: Task
    accepted: dict[int, int]
    best_round: int
    best_accuracy: float
    tensors: dict[str, Tensor]


@final
class Checkpoints:
    """The checkpoint files of a run.

    Parameters
    ----------
    folder : Path
        ``<run>/checkpoints``.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def save(self, checkpoint: Checkpoint) -> None:
        """Save a checkpoint and forget all but the last two and the best.

        Raises
        ------
        StoreError
            If it cannot be written; those before it are untouched.
        """
        text = {
            "round": checkpoint.round_number,
            "task": checkpoint.task.to_values(),
            "accepted": {str(k): v for k, v in checkpoint.accepted.items()},
            "best_round": checkpoint.best_round,
            "best_accuracy": checkpoint.best_accuracy,
        }
        path = tensor_file.of_round(self._folder, checkpoint.round_number)
        tensor_file.write(path, checkpoint.tensors, {"checkpoint": json.dumps(text)})
        rounds = tensor_file.rounds_in(self._folder)
        for old in rounds[:-_KEPT]:
            if old != checkpoint.best_round:
                tensor_file.forget(self._folder, old)

    def require(self, played: int, journal: Path) -> None:
        """Refuse to go on where journal and checkpoints cannot be of one run.

        A round's checkpoint is written before its line, so that there may be one more of them.

        Parameters
        ----------
        played : int
            Last round in the journal.
        journal : Path
            Where it stands, for the error message.

        Raises
        ------
        RunFolderError
            If rounds were lost, which going on would begin again.
        """
        rounds = tensor_file.rounds_in(self._folder)
        if played and not [number for number in rounds if number <= played]:
            raise RunFolderError(
                f"{self._folder}: expected the checkpoint of round {played} or of one before, "
                f"since {journal} tells of {played} rounds, found none; put the folder back from a "
                f"copy, or begin again under another run-name"
            )
        if rounds and rounds[-1] > played + 1:
            raise RunFolderError(
                f"{journal}: expected rounds up to {rounds[-1]}, whose checkpoint is there, found "
                f"{played}; put the file back from a copy, or begin again under another run-name"
            )

    def load(self, at_most: int) -> tuple[Checkpoint | None, tuple[str, ...]]:
        """Return the newest intact checkpoint, and notes on damaged ones.

        Parameters
        ----------
        at_most : int
            Last round in the journal; a newer checkpoint belongs to a round that was not
            completed.

        Returns
        -------
        tuple[Checkpoint | None, tuple[str, ...]]
            ``None`` when no round was ever completed.

        Raises
        ------
        RunFolderError
            If there are checkpoints and none can be read.
        """
        notes: list[str] = []
        for round_number in reversed(tensor_file.rounds_in(self._folder)):
            if round_number > at_most:
                continue
            try:
                return self._read(tensor_file.of_round(self._folder, round_number)), tuple(notes)
            except StoreError as error:
                notes.append(str(error))
        if notes:
            raise RunFolderError(
                f"{self._folder}: no checkpoint can be read: {'; '.join(notes)}; start a new run "
                f"under another run-name"
            )
        return None, ()

    def _read(self, path: Path) -> Checkpoint:
        tensors, text = tensor_file.read(path)
        try:
            values = json.loads(text["checkpoint"])
            return Checkpoint(
                round_number=int(values["round"]),
                task=Task.from_values(values["task"]),
                accepted={int(k): int(v) for k, v in values["accepted"].items()},
                best_round=int(values["best_round"]),
                best_accuracy=float(values["best_accuracy"]),
                tensors=tensors,
            )
        except (KeyError, TypeError, ValueError) as error:
            raise StoreError(f"{path}: expected a checkpoint, got {error}") from None
