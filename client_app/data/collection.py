"""A collection: samples whose labels are known and whose inputs are read on demand.

Dealing samples to clients needs labels alone, so a client never reads the inputs of the
others.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import final

from torch import Tensor

from client_app.data.kept_split import Identity
from client_app.data.left_out import LeftOut, merged, told
from client_app.data.words import Numbering
from strategies.common.errors import DataError


@final
@dataclass(frozen=True)
class Reading:
    """Inputs as they were read.

    Attributes
    ----------
    inputs : Tensor
        (samples, channels, height, width) uint8; (samples, length) int64 of texts, or (samples,
        columns) float32 of tables.
    kept : Tensor
        (samples,) int64, which of the rows asked for these are: all of them, or fewer
        where a damaged file was skipped.
    notes : tuple[str, ...]
        What was skipped, in plain sentences.
    left_out : LeftOut
        What was skipped, where it is counted with what the whole source leaves out.
    """

    inputs: Tensor
    kept: Tensor
    notes: tuple[str, ...] = ()
    left_out: LeftOut = field(default_factory=dict)


@final
@dataclass(frozen=True)
class Collection:
    """Labelled samples of one source.

    Attributes
    ----------
    labels : Tensor
        (rows,) int64, each a position in ``class_names``.
    class_names : tuple[str, ...]
        Name of each class.
    read : Callable[[Tensor, int], Reading]
        Reads the inputs of ascending rows, resized to a side in pixels; 0 keeps their size.
    identities : Callable[[], list[Identity]] | None
        Tells what each row is, for a source of a device's own, whose split is kept.
    left_out : LeftOut
        What the source has beside these rows, by reason.
    total : int
        Files in all, rows and what is left out.
    files : Sequence[Path]
        Those that the rows are read from, in the order of the rows.
    is_told_by_files : bool
        Whether what they hold tells the rows from others of the same labels on other devices,
        too; where it does not, the same rows may lie in other files there.
    notes : tuple[str, ...]
        What else the user should know, in plain sentences.
    counted : str
        What ``total`` counts.
    numbering : Numbering | None
        How words of texts became numbers; ``None`` where rows are no texts.
    columns : tuple[str, ...]
        Names, or numbers from 1, of the label and of what is learnt from; empty where rows are of
        no table.
    """

    labels: Tensor
    class_names: tuple[str, ...]
    read: Callable[[Tensor, int], Reading]
    identities: Callable[[], list[Identity]] | None = None
    left_out: LeftOut = field(default_factory=dict)
    total: int = 0
    files: Sequence[Path] = ()
    is_told_by_files: bool = False
    notes: tuple[str, ...] = ()
    counted: str = "files"
    numbering: Numbering | None = None
    columns: tuple[str, ...] = ()

    def told_left_out(self, where: str, *more: LeftOut) -> tuple[str, ...]:
        """Return one note that counts all that was left out, by the source and beyond; or none."""
        return told(where, merged(self.left_out, *more), self.total, self.counted)

    def all_notes(self, where: str, *more: LeftOut) -> tuple[str, ...]:
        """Return all that the user should know: the notes, and what was left out."""
        return (*self.notes, *self.told_left_out(where, *more))

    @property
    def vocabulary(self) -> int:
        """How many numbers a word can be; 0 where rows are no texts."""
        return self.numbering.size if self.numbering else 0

    @property
    def words(self) -> str:
        """Digest of what decides which number a word is, or which column is which number."""
        if self.numbering:
            return self.numbering.digest
        return _digest(self.columns[1:]) if self.columns else ""

    @property
    def read_as(self) -> str:
        """Digest of the columns that are read of a table; empty where there is none."""
        return _digest(self.columns) if self.columns else ""


def _digest(names: Sequence[str]) -> str:
    return hashlib.sha256(json.dumps(list(names)).encode()).hexdigest()


def digest_of(labels: Tensor, identity: str = "") -> str:
    """Return the SHA-256 of all rows' labels, by which devices tell whether they deal the same."""
    return hashlib.sha256(labels.numpy().tobytes() + identity.encode()).hexdigest()


def require_folder(folder: Path, kind: str) -> None:
    """Refuse a source whose folder does not exist.

    Raises
    ------
    DataError
        With the absolute path, because a relative one depends on where a process started.
    """
    if not folder.is_dir():
        raise DataError(
            f"{kind}: expected a folder at {folder.absolute()}, found none; give an absolute "
            f"path that exists on this device"
        )
