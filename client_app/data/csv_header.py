"""Whether the first row of a table names its columns, or is a sample."""

from collections.abc import Sequence
from typing import Final

from client_app.data.columns import LABEL_NAMES
from client_app.data.csv_column import (
    are_numbers,
    have_commas,
    holds_classes,
    is_measured,
)
from strategies.common.names import normalised

Row = Sequence[str]

# Numbers that count from 0 in so many cells are no sample.
_SURELY_COUNTED: Final = 4


def names_of(row: Row) -> list[str]:
    """Return cells as names of columns are compared."""
    return [normalised(cell.strip()) for cell in row]


def is_called_for(row: Row, asked: Sequence[str]) -> bool:
    """Tell whether a row has a name that is asked for, or that labels have."""
    told = set(names_of(row))
    named = {normalised(one) for one in asked if one and not one.isdecimal()}
    return bool({one.casefold() for one in told}.intersection(LABEL_NAMES) or told & named)


def says_names(
    first: Row, rest: Sequence[Row], probed: Sequence[Row], asked: Sequence[str]
) -> bool:
    """Tell whether a row surely names columns.

    It does where it has a name that is asked for or that labels have, and where it has no number
    and numbers follow.

    Parameters
    ----------
    first, rest : Row, Sequence[Row]
        The row, and all that follow.
    probed : Sequence[Row]
        Some of those, enough to tell what a column holds.
    asked : Sequence[str]
        Columns that are asked for.
    """
    if is_called_for(first, asked):
        return True
    if not _could_name(first, rest):
        return False
    columns = (_column(probed, place) for place in range(len(first)))
    return any(are_numbers(column) or have_commas(column) for column in columns)


def may_be_names(first: Row, rest: Sequence[Row], probed: Sequence[Row]) -> bool:
    """Tell whether a row looks as if it named columns: an end of it is of no class below.

    So does one with names that are nowhere below, beside numbers that count columns.
    """
    if named := _beside_numbers(names_of(first)):
        return all(_is_new(first, rest, place) for place in named)
    if not _could_name(first, rest):
        return False
    ends = {place for place in (0, len(first) - 1) if holds_classes(_column(probed, place))}
    return any(_is_new(first, rest, place) for place in ends)


def counts_columns(first: Row, rest: Sequence[Row]) -> bool:
    """Tell whether a row numbers columns from 0, as pandas writes those that have no name.

    The first of them may be the empty name of a column that counts rows.

    Examples
    --------
    >>> counts_columns(["", "0", "1"], [["0", "1.5", "7"]])
    True
    >>> counts_columns(["1", "0"], [["2", "3"]])
    False
    """
    told = names_of(first)
    if _beside_numbers(told) != []:
        return False
    if not told[0]:
        return _is_new(first, rest, 0)
    # As a sample of few columns it may come by chance, and then not with values of its own.
    return len(told) >= _SURELY_COUNTED or any(_is_new(first, rest, p) for p in range(len(told)))


def _beside_numbers(told: Sequence[str]) -> list[int] | None:
    """Return where names stand beside numbers that count columns from 0; ``None`` without these."""
    skipped = told[0] == ""
    numbers = {place for place, cell in enumerate(told) if cell == str(place - skipped)}
    named = [place for place in range(skipped, len(told)) if place not in numbers]
    if len(numbers) < 2 - skipped or any(not told[p] or is_measured(told[p]) for p in named):
        return None
    return named


def _could_name(row: Row, rest: Sequence[Row]) -> bool:
    """Tell whether no cell of a row is measured, one at most is empty, and alike ones are new."""
    told = [name.casefold() for name in names_of(row)]
    if told.count("") > 1 or any(map(is_measured, told)):
        return False
    alike = [place for place, name in enumerate(told) if told.count(name) > 1]
    return all(_is_new(row, rest, place) for place in alike)


def _is_new(row: Row, rest: Sequence[Row], place: int) -> bool:
    """Tell whether a cell is nowhere below."""
    return all(other[place] != row[place] for other in rest)


def _column(rows: Sequence[Row], place: int) -> list[str]:
    return [row[place] for row in rows]
