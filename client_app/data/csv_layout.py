"""What the columns of a CSV file are: which is the label, which are inputs, and of what kind."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, final

from client_app.data.columns import LABEL_NAMES
from client_app.data.table_rows import number_of
from client_app.data.words import words_of
from strategies.common.errors import DataError
from strategies.common.names import normalised

# Beyond, a column of a table this small holds no classes.
_MOST_CLASSES_SHARE: Final = 0.2
# Words of a cell, on average, from which a column is text and no category.
_WORDS_OF_TEXT: Final = 2.0
# Share of a column's cells that must be numbers; rows with others are counted.
_NUMBERS_SHARE: Final = 0.9
# Rows that are looked at.
_PROBED: Final = 2000
# Of many columns, as many are named.
_NAMED: Final = 8
# Of a column's number, and characters of a name in messages.
_DIGITS: Final = 10
_LONGEST_NAME: Final = 80
# What a column that counts rows is called.
_COUNTERS: Final = frozenset({"", "id", "index", "row", "unnamed: 0"})

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
    named_label, named_inputs : str, tuple[str, ...]
        Their names, or their numbers from 1.
    are_texts : bool
        Whether inputs are texts, else numbers.
    has_header : bool
        Whether the first row names the columns.
    notes : tuple[str, ...]
        What else might have been meant, in plain sentences.
    """

    label: int
    inputs: tuple[int, ...]
    named_label: str
    named_inputs: tuple[str, ...]
    are_texts: bool
    has_header: bool
    notes: tuple[str, ...] = ()


def layout_of(
    rows: Sequence[Row],
    label_column: str,
    input_columns: Sequence[str],
    where: str,
    classes: Sequence[str] = (),
) -> Layout:
    """Find the columns.

    Parameters
    ----------
    rows : Sequence[Row]
        All rows that have as many cells as most; at least two.
    label_column, input_columns : str, Sequence[str]
        As set: names, or numbers from 1. Empty finds them.
    where : str
        For messages, in which no cell of a row stands that may be a sample.
    classes : Sequence[str]
        Names of all classes, where they are known: a row that has one names no columns.

    Raises
    ------
    DataError
        With the columns there are, and what to set.
    """
    first, rest = rows[0], rows[1 : 1 + _PROBED]
    asked_for = (label_column, *input_columns)
    known = any(normalised(cell.strip()) in classes for cell in first)
    said = not known and _says_names(first, rest, asked_for)
    header = said or (not known and _may_be_names(first, rest))
    table = _Table(first if header else (), rest if header else rows[:_PROBED], where, said)
    label = table.place_of(label_column, "label-column") if label_column else table.found_label()
    if input_columns:
        asked = [table.place_of(one, "input-columns") for one in input_columns]
        if label in asked:
            raise DataError(f"{where}: expected other input-columns than the label")
        aside: dict[int, str] = {}
    else:
        asked = [place for place in range(table.width) if place != label]
        aside = {p: why for p in asked if (why := table.reason_against(p, label))}
        asked = [place for place in asked if place not in aside]
    numbers = [place for place in asked if table.are_numbers(place)]
    others = [place for place in asked if place not in numbers]
    # Beside a text, names and categories are words too; without any they are no numbers.
    are_texts = bool(input_columns) or any(table.is_text(place) for place in others)
    texts = others if are_texts else []
    chosen = texts or numbers
    if not chosen:
        raise DataError(
            f"{where}: expected a column of texts or of numbers beside the label, found none of "
            f"{table.width} columns; name them in input-columns"
        )
    kind = "texts" if texts else "numbers"
    aside |= {p: f"no {kind}" for p in asked if p not in chosen}
    notes = table.notes(label, chosen, aside, kind)
    named = tuple(table.names[place] for place in chosen)
    return Layout(label, tuple(chosen), table.names[label], named, bool(texts), header, notes)


@final
class _Table:
    """Rows and the names of their columns, numbers from 1 where the table has none."""

    def __init__(self, header: Row, cells: Sequence[Row], where: str, tells_names: bool) -> None:
        self.cells = cells
        self.width = len(cells[0])
        self._has_header = bool(header)
        numbers = [str(place) for place in range(1, self.width + 1)]
        self.names = [normalised(cell.strip()) for cell in header] or numbers
        # What was only taken for names may be a sample.
        self._shown = self.names if tells_names else numbers
        self._where = where
        self._tells_names = tells_names

    def place_of(self, asked: str, setting: str) -> int:
        """Return a column by its name, or its number from 1."""
        asked = normalised(asked)
        if self.names.count(asked) == 1:
            return self.names.index(asked)
        if asked.isdecimal() and len(asked) < _DIGITS and 1 <= int(asked) <= self.width:
            return int(asked) - 1
        there = f"{self._listed(range(self.width))}, or " if self._tells_names else ""
        raise DataError(
            f"{self._where}: setting {setting}: expected {there}a number from 1 to {self.width}, "
            f"got {asked[:_LONGEST_NAME]!r}"
        )

    def found_label(self) -> int:
        """Return the column that is called as labels are, or the one end that has few values."""
        lower = [name.casefold() for name in self.names] if self._has_header else []
        if known := [lower.index(name) for name in LABEL_NAMES if name in lower]:
            return known[0]
        ends = sorted({0, self.width - 1})
        few = [place for place in ends if _holds_classes(self.cells, place)]
        if len(few) == 1:
            return few[0]
        raise DataError(
            f"{self._where}: expected to know which of {self.width} columns is the label, found "
            f"{len(few)} that may be; set label-column to its name, or its number from 1"
        )

    def reason_against(self, place: int, label: int) -> str:
        """Return why a column is not to be learnt from, or nothing."""
        if self._is_called_label(place):
            return "another label"
        values = [row[place] for row in self.cells]
        pairs = set(zip(values, (row[label] for row in self.cells), strict=True))
        classes = {row[label] for row in self.cells}
        if len(pairs) == len(set(values)) == len(classes) < len(values):
            return "says the label"
        counted = [number_of(value) for value in values]
        whole = None not in counted and all(one % 1 == 0 for one in counted if one is not None)
        steps = {b - a for a, b in pairwise(counted) if a is not None and b is not None}
        is_called = self._has_header and self.names[place].casefold() in _COUNTERS
        if whole and (steps == {1.0} or (is_called and len(set(values)) > 1)):
            return "counts rows"
        return ""

    def are_numbers(self, place: int) -> bool:
        """Tell whether nearly all cells that are not empty hold a number."""
        return _are_numbers(self.cells, place)

    def is_text(self, place: int) -> bool:
        """Tell whether cells hold words, on average two or more."""
        return _is_text(self.cells, place)

    def notes(
        self, label: int, chosen: Sequence[int], aside: Mapping[int, str], kind: str
    ) -> tuple[str, ...]:
        """Say what was decided, in plain sentences."""
        taken = "names columns" if self._tells_names else "is taken for names of columns"
        first = taken if self._has_header else "is a sample"
        told = (
            f"{self._where}: the first row {first}; the label is column {self._shown[label]}, "
            f"{kind} are read of {self._listed(chosen)}"
        )
        reasons = [f"{self._shown[place]} ({why})" for place, why in list(aside.items())[:_NAMED]]
        more = f" and {len(aside) - _NAMED} more" if len(aside) > _NAMED else ""
        left = f"{self._where}: columns that are not read: {', '.join(reasons)}{more}"
        return (told, left) if aside else (told,)

    def _is_called_label(self, place: int) -> bool:
        return self._has_header and self.names[place].casefold() in LABEL_NAMES

    def _listed(self, places: Sequence[int]) -> str:
        named = ", ".join(self._shown[place] for place in places[:_NAMED])
        return f"{named} and {len(places) - _NAMED} more" if len(places) > _NAMED else named


def _says_names(first: Row, rest: Sequence[Row], asked: Sequence[str]) -> bool:
    """Tell whether a row surely names columns.

    It does where it has a name that is asked for or that labels have; and where it has no number
    and numbers follow.
    """
    told = {normalised(cell.strip()) for cell in first}
    named = {normalised(one) for one in asked if one and not one.isdecimal()}
    if {one.casefold() for one in told}.intersection(LABEL_NAMES) or told & named:
        return True
    return _could_name(first) and any(_are_numbers(rest, place) for place in range(len(first)))


def _may_be_names(first: Row, rest: Sequence[Row]) -> bool:
    """Tell whether a row looks as if it named columns: an end of it is of no class below."""
    if not _could_name(first):
        return False
    ends = {place for place in (0, len(first) - 1) if _holds_classes(rest, place)}
    return any(first[place] not in {row[place] for row in rest} for place in ends)


def _could_name(row: Row) -> bool:
    """Tell whether no cell of a row is a number, and no two are alike."""
    told = {normalised(cell.strip()).casefold() for cell in row}
    return len(told) == len(row) and all(number_of(cell) is None for cell in row)


def _holds_classes(cells: Sequence[Row], place: int) -> bool:
    most = max(2, round(_MOST_CLASSES_SHARE * len(cells)))
    return 1 < len({row[place] for row in cells}) <= most and not _is_text(cells, place)


def _is_text(cells: Sequence[Row], place: int) -> bool:
    words = [sum(word.isalpha() for word in words_of(row[place])) for row in cells]
    return sum(words) / max(len(words), 1) >= _WORDS_OF_TEXT


def _are_numbers(cells: Sequence[Row], place: int) -> bool:
    found = [number_of(row[place]) is not None for row in cells if row[place].strip()]
    return sum(found) >= _NUMBERS_SHARE * max(len(found), 1)
