"""Inputs of a table's rows: texts as numbers of words, or numbers as they are."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

import torch
from torch import Tensor

from client_app.data.collection import Reading
from client_app.data.words import Numbering, words_of
from strategies.common.errors import DataError

NO_WORD: Final = "without a word"
# How programs that write tables say that a number is not known.
_NOT_KNOWN: Final = frozenset({"", "nan", "na", "n/a", "#n/a", "null", "none", "?", "-", "."})
# What float32 holds.
_LARGEST: Final = torch.finfo(torch.float32).max

# Returns the texts of ascending rows.
TextReader = Callable[[Tensor], Sequence[str]]


def texts_read(
    read: TextReader, numbering: Numbering, where: str, named: Sequence[str] = ()
) -> Callable[[Tensor, int], Reading]:
    """Return what reads rows of texts as (rows, length) int64.

    Rows without a word are left out and counted, by names of their own where they have some, and
    how many are cut is noted.
    """
    return partial(_read_texts, read, numbering, where, named)


def _read_texts(
    read: TextReader,
    numbering: Numbering,
    where: str,
    named: Sequence[str],
    rows: Tensor,
    image_size: int,  # noqa: ARG001 - what a collection is asked of images
) -> Reading:
    texts = read(rows)
    kept = [place for place, text in enumerate(texts) if words_of(text)]
    if not kept:
        raise DataError(f"{where}: expected texts with words, found none among {len(texts)} rows")
    inputs, cut = numbering.encode([texts[place] for place in kept])
    spoken = set(kept)
    gone = [int(row) for place, row in enumerate(rows) if place not in spoken]
    silent = [named[row] if named else f"row {row}" for row in gone]
    notes = (
        f"{where}: {cut} of {len(kept)} texts have more than text-length={numbering.length} words "
        f"and were cut",
    )
    left_out = {NO_WORD: silent} if silent else {}
    return Reading(inputs, torch.tensor(kept), notes if cut else (), left_out)


def number_of(cell: str) -> float | None:
    """Return the finite number that a cell holds, or ``None``.

    Examples
    --------
    >>> number_of(" 1.5e3 "), number_of("nan"), number_of("three")
    (1500.0, None, None)
    """
    if "_" in cell:  # Python's own way to group digits
        return None
    try:
        found = float(cell)
    except ValueError:
        return None
    return found if abs(found) <= _LARGEST else None


def is_not_known(cell: str) -> bool:
    """Tell whether a cell of numbers says, in whichever way, that there is none.

    Examples
    --------
    >>> is_not_known(" "), is_not_known("N/A"), is_not_known("0")
    (True, True, False)
    """
    return cell.strip().casefold() in _NOT_KNOWN


def is_nan(cell: str) -> bool:
    """Tell whether a cell says that there is no number, as libraries write it.

    Examples
    --------
    >>> is_nan(" NaN"), is_nan("nano")
    (True, False)
    """
    return cell.strip().casefold() == "nan"
