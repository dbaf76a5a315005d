"""What the columns of a CSV file are: which is the label, which are inputs, and of what kind."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, final

from client_app.data.columns import LABEL_NAMES
from client_app.data.table_rows import number_of
from client_app.data.words import words_of
from strategies.common.errors import DataError

# Beyond, a column of a table this small holds no classes.
_MOST_CLASSES_SHARE: Final = 0.2
# Words of a cell, on average, from which a column is text and no category.
_WORDS_OF_TEXT: Final = 2.0
# Share of a column's cells that must be numbers; rows with others are counted.
_NUMBERS_SHARE: Final = 0.9
# Rows that are looked at.
_PROBED: Final = 2000

Row = Sequence[str]


@final
@dataclass(frozen=True)
class Layout:
    """Which columns are read.

    Attributes
    ----------
    label : int
        Position of the label.
    inputs : tuple[int, ...]
        Positions of what is learnt from.
    are_texts : bool
        Whether inputs are texts, else numbers.
    has_header : bool
        Whether the first row names the columns.
    notes : tuple[str, ...]
        What else might have been meant, in plain sentences.
    """

    label: int
    inputs: tuple[int, ...]
    are_texts: bool
    has_header: bool
    notes: tuple[str, ...] = ()


def layout_of(rows: Sequence[Row], label_column: str, input_columns: str, where: str) -> Layout:
    """Find the columns.

    Parameters
    ----------
    rows : Sequence[Row]
        All rows that have as many cells as most; at least two.
    label_column, input_columns : str
        As set: names, or numbers from 1; inputs are comma separated. Empty finds them.
    where : str
        For messages.

    Raises
    ------
    DataError
        With the columns there are, and what to set.
    """
    first, rest = rows[0], rows[1 : 1 + _PROBED]
    header = _is_header(first, rest, (label_column, *_split(input_columns)))
    names = list(first) if header else [str(place) for place in range(1, len(first) + 1)]
    cells = rest if header else rows[:_PROBED]
    label = (
        _named(label_column, names, "label-column", where)
        if label_column
        else _found_label(cells, names, where, header=header)
    )
    if input_columns:
        asked = [_named(one, names, "input-columns", where) for one in _split(input_columns)]
        if label in asked:
            raise DataError(f"{where}: expected other input-columns than the label, {names[label]}")
    else:
        asked = [place for place in range(len(names)) if place != label]
    numbers = [place for place in asked if _are_numbers(cells, place)]
    others = [place for place in asked if place not in numbers]
    # Beside a text, names and categories are words too; without any they are no numbers.
    are_texts = bool(input_columns) or any(_is_text(cells, place) for place in others)
    texts = others if are_texts else []
    chosen = texts or numbers
    if not chosen:
        raise DataError(
            f"{where}: expected a column of texts or of numbers beside the label, found "
            f"{', '.join(names)}; name them in input-columns"
        )
    left = [names[p] for p in asked if p not in chosen]
    kind = "texts" if texts else "numbers"
    notes = (f"{where}: {kind} are read alone, not {', '.join(left)}",) if left else ()
    if header:
        notes = (f"{where}: the first row is taken for names, {', '.join(names)}", *notes)
    return Layout(label, tuple(chosen), bool(texts), header, notes)


def _split(columns: str) -> list[str]:
    return [one.strip() for one in columns.split(",") if one.strip()]


def _is_header(first: Row, rest: Sequence[Row], asked: Sequence[str]) -> bool:
    """Tell whether a row names columns: as asked for, as labels are, or where numbers follow."""
    told = {cell.strip().casefold() for cell in first}
    if any(one and not one.isdecimal() for one in asked):
        return True
    if any(number_of(cell) is not None for cell in first) or len(told) < len(first):
        return False
    if told.intersection(LABEL_NAMES):
        return True
    return any(_are_numbers(rest, place) for place in range(len(first)))


def _named(asked: str, names: Sequence[str], setting: str, where: str) -> int:
    if asked in names:
        return names.index(asked)
    if asked.isdecimal() and 1 <= int(asked) <= len(names):
        return int(asked) - 1
    raise DataError(
        f"{where}: setting {setting}: expected one of the columns {', '.join(names)}, or its "
        f"number from 1 to {len(names)}, got {asked!r}"
    )


def _found_label(cells: Sequence[Row], names: Sequence[str], where: str, *, header: bool) -> int:
    lower = [name.strip().casefold() for name in names]
    known = [lower.index(name) for name in LABEL_NAMES if name in lower] if header else []
    if known:
        return known[0]
    most = max(2, round(_MOST_CLASSES_SHARE * len(cells)))
    ends = sorted({0, len(names) - 1})
    few = [p for p in ends if 1 < len({row[p] for row in cells}) <= most and not _is_text(cells, p)]
    if len(few) == 1:
        return few[0]
    raise DataError(
        f"{where}: expected to know which column is the label, found {', '.join(names)}; set "
        f"label-column to its name, or its number from 1"
    )


def _is_text(cells: Sequence[Row], place: int) -> bool:
    words = [sum(word.isalpha() for word in words_of(row[place])) for row in cells]
    return sum(words) / max(len(words), 1) >= _WORDS_OF_TEXT


def _are_numbers(cells: Sequence[Row], place: int) -> bool:
    found = [number_of(row[place]) is not None for row in cells if row[place].strip()]
    return sum(found) >= _NUMBERS_SHARE * max(len(found), 1)
