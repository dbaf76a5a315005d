"""What the cells of one column of a table are: classes, words, numbers, a count of its rows."""

import re
from collections import Counter
from collections.abc import Sequence
from enum import Enum
from itertools import pairwise
from typing import Final, final

from client_app.data.table_rows import is_nan, is_not_known, number_of
from client_app.data.words import words_of

# Beyond, a column of a table this small holds no classes.
_MOST_CLASSES_SHARE: Final = 0.2
# Words of a cell, on average, from which a column is text and no category.
_WORDS_OF_TEXT: Final = 2.0
# Share of a column's cells that must be numbers; rows with others are counted.
_NUMBERS_SHARE: Final = 0.9
# Share of a column's rows that must have one at all, where nobody asked for the column.
_KNOWN_SHARE: Final = 0.5
_WITH_COMMA: Final = re.compile(r"[+-]?[\d.]*,\d+(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)


@final
class Telling(Enum):
    """How surely a column says the label: each of its values is one label, and none is two."""

    NO = "not"
    PERHAPS = "hardly any value comes twice, which may be chance"
    SURELY = "values come twice and more on average"


def most_classes(rows: int) -> int:
    """Return how many values a column of so many rows has at most if they are classes."""
    return max(2, round(_MOST_CLASSES_SHARE * rows))


def holds_classes(cells: Sequence[str]) -> bool:
    """Tell whether cells have few values, and are no texts."""
    return 1 < len(set(cells)) <= most_classes(len(cells)) and not is_text(cells)


def is_text(cells: Sequence[str]) -> bool:
    """Tell whether cells hold words, on average two or more."""
    words = [sum(word.isalpha() for word in words_of(cell)) for cell in cells]
    return sum(words) / max(len(words), 1) >= _WORDS_OF_TEXT


def are_numbers(cells: Sequence[str]) -> bool:
    """Tell whether nearly all cells hold a number, but for those that say that there is none."""
    count, told = numbers_among(cells)
    return count >= _NUMBERS_SHARE * max(told, 1)


def numbers_among(cells: Sequence[str]) -> tuple[int, int]:
    """Return how many cells hold a number, and how many do not say that it is not known.

    Examples
    --------
    >>> numbers_among(["1.5", "2", "", "n/a", "red"])
    (2, 3)
    """
    found = [number_of(cell) is not None for cell in cells if not is_not_known(cell)]
    return sum(found), len(found)


def hardly_ever_known(cells: Sequence[str]) -> bool:
    """Tell whether a column of numbers has none in most rows, all of which it would cost.

    Examples
    --------
    >>> hardly_ever_known(["1", "", "nan"]), hardly_ever_known(["1", "2", ""])
    (True, False)
    """
    count, _ = numbers_among(cells)
    return count < _KNOWN_SHARE * len(cells) and are_numbers(cells)


def have_commas(cells: Sequence[str]) -> bool:
    """Tell whether cells are no numbers for nothing but commas in them.

    Examples
    --------
    >>> have_commas(["1,5", "2"]), have_commas(["1.5", "2"]), have_commas(["1,5 m", "2"])
    (True, False, False)
    """
    pointed = ["0" if has_comma(cell) else cell for cell in cells]
    return pointed != list(cells) and not are_numbers(cells) and are_numbers(pointed)


def has_comma(cell: str) -> bool:
    """Tell whether a cell would be a number if it had a point, or nothing, for a comma."""
    return _WITH_COMMA.fullmatch(cell.strip()) is not None


def is_measured(cell: str) -> bool:
    """Tell whether a cell is what is measured, and so no name: a number, one with a comma, NaN."""
    return number_of(cell) is not None or has_comma(cell) or is_nan(cell)


def are_whole(cells: Sequence[str]) -> bool:
    """Tell whether cells that are not empty hold whole numbers, of which two differ."""
    found = [number_of(cell) for cell in cells if cell.strip()]
    return len(set(found)) > 1 and all(one is not None and one % 1 == 0 for one in found)


def rise_by_one(cells: Sequence[str]) -> bool:
    """Tell whether each cell is the whole number after that of the cell before."""
    numbers = map(number_of, cells)
    steps = (
        a is not None and b is not None and a % 1 == 0 and b - a == 1 for a, b in pairwise(numbers)
    )
    return len(cells) > 1 and all(steps)


def count_in_any_order(cells: Sequence[str]) -> bool:
    """Tell whether cells are the numbers from 0 or from 1, each once, as of rows that were sorted.

    Examples
    --------
    >>> count_in_any_order(["2", "0", "1"]), count_in_any_order(["2", "0", "2"])
    (True, False)
    """
    found: set[float] = set()
    for cell in cells:
        number = number_of(cell)
        if number is None or number % 1 or not 0 <= number <= len(cells) or number in found:
            return False
        found.add(number)
    return len(cells) > 1 and not {0.0, float(len(cells))} <= found


def telling(cells: Sequence[str], labels: Sequence[str]) -> Telling:
    """Tell whether each value of a column is that of one label, and each label of one value.

    Rows without a label tell nothing.
    """
    label_of: dict[str, str] = {}
    value_of: dict[str, str] = {}
    counts: Counter[str] = Counter()
    for cell, label in zip(cells, labels, strict=True):
        if not label.strip():
            continue
        if label_of.setdefault(cell, label) != label or value_of.setdefault(label, cell) != cell:
            return Telling.NO
        counts[label] += 1
    if len(counts) < 2 or counts.total() == len(counts):
        return Telling.NO
    return Telling.SURELY if counts.total() >= 2 * len(counts) else Telling.PERHAPS
