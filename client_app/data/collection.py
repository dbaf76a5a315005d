"""A collection: samples whose labels are known and whose inputs are read on demand.

Dealing samples to clients needs labels alone, so a client never reads the inputs of the
others.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import final

from torch import Tensor

from strategies.common.errors import DataError


@final
@dataclass(frozen=True)
class Reading:
    """Inputs as they were read.

    Attributes
    ----------
    inputs : Tensor
        (samples, channels, height, width) uint8.
    kept : Tensor
        (samples,) int64, which of the rows asked for these are: all of them, or fewer
        where a damaged file was skipped.
    notes : tuple[str, ...]
        What was skipped, in plain sentences.
    """

    inputs: Tensor
    kept: Tensor
    notes: tuple[str, ...] = ()


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
    identity : str
        What tells the rows from others of the same labels; empty where labels do.
    """

    labels: Tensor
    class_names: tuple[str, ...]
    read: Callable[[Tensor, int], Reading]
    identity: str = ""


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
