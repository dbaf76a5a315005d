"""Server checkpoints: the last rounds and the best ones."""

import json
from dataclasses import asdict, dataclass
from itertools import chain, count
from pathlib import Path
from typing import Final, final

from torch import Tensor

from strategies.common import tensor_file
from strategies.common.errors import RunFolderError, StoreError
from strategies.common.open_data import OpenSet
from strategies.common.task import Task

# So many of the last rounds, and so many of those that were the best when they were played: a
# round that spoilt the state is noticed one or two rounds later, and may have passed as the best.
_KEPT = 3
_BESTS_KEPT = 2
_OF: Final = "of"


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
    open_set : OpenSet | None
        The open data that the server learns from; ``None`` where it does not, and in checkpoints
        of before it was written.
    """

    round_number: int
    task: Task
    accepted: dict[int, int]
    best_round: int
    best_accuracy: float
    tensors: dict[str, Tensor]
    open_set: OpenSet | None = None


@final
class Checkpoints:
    """The checkpoint files of a run.

    Parameters
    ----------
    folder : Path
        ``<run>/checkpoints``.
    of : str
        What run they are of, in words; one of another run is damage. Empty takes any.
    """

    def __init__(self, folder: Path, of: str = "") -> None:
        self._folder = folder
        self._of = of
        self._bests: list[int] = []

    def save(self, checkpoint: Checkpoint) -> None:
        """Save a checkpoint and forget all but the last three and the last two best ones.

        Raises
        ------
        StoreError
            If it cannot be written; those before it are untouched.
        """
        number, best = checkpoint.round_number, checkpoint.best_round
        if best and best not in self._bests:
            self._bests = [*self._bests, best][-_BESTS_KEPT:]
        text = {
            "round": checkpoint.round_number,
            "task": checkpoint.task.to_values(),
            "accepted": {str(k): v for k, v in checkpoint.accepted.items()},
            "best_round": checkpoint.best_round,
            "best_accuracy": checkpoint.best_accuracy,
            "bests": self._bests,
        }
        if checkpoint.open_set:
            text["open_set"] = asdict(checkpoint.open_set)
        path = tensor_file.of_round(self._folder, number)
        stamp = {tensor_file.ROUND: str(number), _OF: self._of, "checkpoint": json.dumps(text)}
        tensor_file.write(path, checkpoint.tensors, stamp)
        # Later ones are of rounds that did not count; they are no reason to forget any.
        rounds = [old for old in tensor_file.rounds_in(self._folder) if old <= number]
        for old in rounds[:-_KEPT]:
            if old not in self._bests:
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
                return self._read(round_number), tuple(notes)
            except StoreError as error:
                notes.append(str(error))
        if notes:
            raise RunFolderError(
                f"{self._folder}: no checkpoint can be read: {'; '.join(notes)}; start a new run "
                f"under another run-name"
            )
        return None, ()

    def after(self, round_number: int, last: int) -> Checkpoint:
        """Return the checkpoint after one round.

        Parameters
        ----------
        round_number : int
            Which one, from 1.
        last : int
            Last round in the journal.

        Raises
        ------
        RunFolderError
            If it is gone or damaged, naming those that are there.
        """
        there = [known for known in tensor_file.rounds_in(self._folder) if known <= last]
        try:
            if round_number not in there:
                raise StoreError(f"{self._folder}: keeps none of round {round_number}")
            return self._read(round_number)
        except StoreError as error:
            kept = ", ".join(map(str, there)) or "none"
            raise RunFolderError(
                f"setting resume-from: expected a round whose checkpoint is kept ({kept}), got "
                f"{round_number}: {error}"
            ) from None

    def set_aside_after(self, round_number: int) -> None:
        """Move the checkpoints of later rounds into a folder of their own.

        Raises
        ------
        RunFolderError
            If they cannot be moved.
        """
        later = [known for known in tensor_file.rounds_in(self._folder) if known > round_number]
        if not later:
            return
        stem = f"before-resume-from-{round_number}"
        names = chain([stem], (f"{stem}-{again}" for again in count(2)))
        aside = next(path for name in names if not (path := self._folder / name).exists())
        try:
            aside.mkdir()
            for known in later:
                path = tensor_file.of_round(self._folder, known)
                path.replace(aside / path.name)
        except OSError as error:
            raise RunFolderError(
                f"{aside}: cannot be written ({error.strerror}); make the folder writable"
            ) from None

    def _read(self, round_number: int) -> Checkpoint:
        path = tensor_file.of_round(self._folder, round_number)
        tensors, text = tensor_file.read_round(self._folder, round_number)
        if self._of and text.get(_OF, self._of) != self._of:
            raise StoreError(f"{path}: expected a checkpoint of {self._of}, got one of {text[_OF]}")
        try:
            values = json.loads(text["checkpoint"])
            bests = values["bests"] if "bests" in values else [values["best_round"]]
            self._bests = [int(known) for known in bests if known]
            return Checkpoint(
                round_number=int(values["round"]),
                task=Task.from_values(values["task"]),
                accepted={int(k): int(v) for k, v in values["accepted"].items()},
                best_round=int(values["best_round"]),
                best_accuracy=float(values["best_accuracy"]),
                tensors=tensors,
                open_set=OpenSet(**values["open_set"]) if "open_set" in values else None,
            )
        except (KeyError, TypeError, ValueError) as error:
            raise StoreError(f"{path}: expected a checkpoint, got {error}") from None
