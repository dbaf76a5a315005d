"""Texts as PFLlib pickles them: an array of lists of words' numbers, each beside its length."""

import numpy as np
from numpy.typing import NDArray

from pickles import arrays
from pickles.symbols import Call, MalformedPickleError, Name

# Beyond it a word's number would be no int64.
_HIGHEST = np.iinfo(np.int64).max
# 2 GiB of them.
_MOST_WORDS = 2**28


def read(symbol: object, length: int) -> tuple[NDArray[np.int64], int] | None:
    """Return texts cut or filled up to a length; ``None`` where an array is of anything else.

    Parameters
    ----------
    symbol : object
        An array (texts, 2) of objects, as it is pickled.
    length : int
        Words of each text. Zeros at its end are none.

    Returns
    -------
    tuple[NDArray[np.int64], int] | None
        (texts, length), filled up with 0, and how many were longer.

    Raises
    ------
    MalformedPickleError
        If such an array holds anything but lists of whole numbers beside lengths.
    """
    match symbol:
        case Call(
            Name() as callee,
            _,
            (_, (int(count), 2), Call(Name("numpy", "dtype"), ("O8", *_), _), _, [*cells]),
        ) if str(callee) in arrays.RECONSTRUCT:
            if len(cells) != 2 * count:
                raise MalformedPickleError(f"{count} texts with lengths in {len(cells)} objects")
            # A list that stands for many texts would cost what no file of its size does.
            if len({id(cell) for cell in cells[::2]}) != count:
                raise MalformedPickleError("an array with one text in several places")
            if count * length > _MOST_WORDS:
                raise MalformedPickleError(
                    f"{count} texts, more than {_MOST_WORDS} words at text-length={length}"
                )
            rows, num_cut = np.zeros((count, length), np.int64), 0
            for row, cell in zip(rows, cells[::2], strict=True):
                words = _words(cell)
                kept = words[:length]
                num_cut += any(words[length:])
                row[: len(kept)] = kept
            return rows, num_cut
    return None


def _words(cell: object) -> list[int]:
    if not isinstance(cell, list) or not all(
        type(word) is int and 0 <= word <= _HIGHEST for word in cell
    ):
        raise MalformedPickleError("an array with texts that are no lists of numbers from 0")
    return cell
