"""What the columns of a CSV file are: which is the label, which are inputs, and of what kind."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, final
from zlib import crc32

from client_app.data import csv_column
from client_app.data.columns import LABEL_NAMES
from client_app.data.csv_column import Telling
from client_app.data.csv_header import Row, counts_columns, may_be_names, names_of, says_names
from strategies.common.errors import DataError
from strategies.common.names import normalised

# Rows by which it is told what a column holds, from all over the table: it may be sorted.
_PROBED: Final = 2000
# Of many columns, as many are named.
_NAMED: Final = 8
# Of a column's number, and characters of a name in messages.
_DIGITS: Final = 10
_LONGEST_NAME: Final = 80
# What a column that counts rows is called; pandas names what it wrote without a name.
_COUNTERS: Final = frozenset({"", "id", "index", "row", "unnamed: 0", "unnamed: 0.1", "level_0"})
_SAYS_LABEL: Final = "says the label"
_COUNTS_ROWS: Final = "counts rows"
_WRITE_POINTS: Final = (
    "cells look like numbers with decimal commas; write numbers with points, as 1.5, and without "
    "commas between digits, as 1000"
)


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
    told_label : str
        What the label's column is called in messages: its number where its name may be a sample.
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
    told_label: str
    are_texts: bool
    has_header: bool
    notes: tuple[str, ...] = ()


def layout_of(
    rows: Sequence[Row],
    label_column: str,
    input_columns: Sequence[str],
    where: str,
    classes: Sequence[str] = (),
    *,
    own: bool = False,
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
    own : bool
        Whether others have tables of the same columns: then none that might be learnt from is left
        out for what these rows hold, which may not be so in theirs.

    Raises
    ------
    DataError
        With the columns there are, and what to set.
    """
    first, rest = rows[0], rows[1:]
    some = probed(rest)
    known = any(name in classes for name in names_of(first))
    said = counts_columns(first, rest) or (
        not known and says_names(first, rest, some, (label_column, *input_columns))
    )
    header = said or (not known and may_be_names(first, rest, some))
    table = _Table(first if header else (), rest if header else rows, where, said)
    label = table.place_of(label_column, "label-column") if label_column else table.found_label()
    if input_columns:
        chosen, are_texts = table.asked(input_columns, label)
        aside: dict[int, str] = {}
    else:
        places = [place for place in range(table.width) if place != label]
        aside = {p: why for p in places if (why := table.reason_against(p, label, own=own))}
        chosen, are_texts = table.found([place for place in places if place not in aside])
        others = [p for p in places if p not in chosen and p not in aside]
        aside |= {p: "no texts" if are_texts else table.reason_no_numbers(p) for p in others}
    notes = table.notes(label, chosen, aside, are_texts=are_texts)
    if not input_columns:
        notes += table.doubts(chosen, label)
    named = tuple(table.names[place] for place in chosen)
    told = table.shown(label)
    return Layout(label, tuple(chosen), table.names[label], named, told, are_texts, header, notes)


def probed(rows: Sequence[Row]) -> Sequence[Row]:
    """Return all rows of a short table, and of a long one some from all over it, in their order.

    One of each of ``_PROBED`` equal parts, at another place in each: the first rows are of few
    classes where rows are sorted, and those at even distances where classes take turns.
    """
    count = len(rows)
    if count <= _PROBED:
        return rows
    # Not drawn, so that whoever reads a file finds the same columns in it.
    within = (crc32(str(part).encode()) % count for part in range(_PROBED))
    places = {(part * count + place) // _PROBED for part, place in enumerate(within)}
    return [rows[place] for place in sorted(places)]


@final
class _Table:
    """Rows and the names of their columns, numbers from 1 where the table has none."""

    def __init__(self, header: Row, rows: Sequence[Row], where: str, tells_names: bool) -> None:
        self.rows = rows
        self.width = len(rows[0])
        self._probed = probed(rows)
        self._has_header = bool(header)
        self._numbers = [str(place) for place in range(1, self.width + 1)]
        self.names = names_of(header) or self._numbers
        self._where = where
        self._tells_names = tells_names

    def place_of(self, asked: str, setting: str) -> int:
        """Return a column by its name, or its number from 1."""
        asked = normalised(asked)
        alike = [place for place, name in enumerate(self.names) if name == asked]
        if len(alike) == 1:
            return alike[0]
        if asked.isdecimal() and len(asked) < _DIGITS and 1 <= int(asked) <= self.width:
            return int(asked) - 1
        got = f"got {asked[:_LONGEST_NAME]!r}"
        if alike:
            numbers = ", ".join(self._numbers[place] for place in alike[:_NAMED])
            raise DataError(
                f"{self._where}: setting {setting}: expected a name that one column has, {got}, "
                f"which {len(alike)} columns have; give the number of one: {numbers}"
            )
        there = f"{self._listed(range(self.width))}, or " if self._tells_names else ""
        raise DataError(
            f"{self._where}: setting {setting}: expected {there}a number from 1 to {self.width}, "
            f"{got}"
        )

    def found_label(self) -> int:
        """Return the column that is called as labels are, or the one end that has few values."""
        lower = [name.casefold() for name in self.names] if self._has_header else []
        if known := [lower.index(name) for name in LABEL_NAMES if name in lower]:
            return known[0]
        ends = sorted({0, self.width - 1})
        few = [place for place in ends if csv_column.holds_classes(self._some(place))]
        if len(few) == 1:
            return few[0]
        raise DataError(
            f"{self._where}: expected to know which of {self.width} columns is the label, found "
            f"{len(few)} that may be; set label-column to its name, or its number from 1"
        )

    def asked(self, names: Sequence[str], label: int) -> tuple[list[int], bool]:
        """Return the columns of these names, or numbers, and whether they are texts."""
        places = [self.place_of(one, "input-columns") for one in names]
        if label in places:
            raise DataError(f"{self._where}: expected other input-columns than the label")
        numbers, with_commas, others = self._sorted(places)
        if with_commas:
            raise self._refused(with_commas)
        if numbers and others:
            raise DataError(
                f"{self._where}: setting input-columns: expected columns of numbers alone or of "
                f"texts alone, found numbers in {self._listed(numbers)} and others in "
                f"{self._listed(others)}; name columns of one kind, or write the others as numbers"
            )
        return places, bool(others)

    def found(self, places: Sequence[int]) -> tuple[list[int], bool]:
        """Return which of some columns are learnt from: texts if there are any, else numbers."""
        numbers, with_commas, others = self._sorted(places)
        # Beside a text, names and categories are words too; without any they are no numbers.
        if any(csv_column.is_text(self._some(place)) for place in others):
            return others, True
        if with_commas:
            raise self._refused(with_commas, ", or name other columns in input-columns")
        if numbers:
            return numbers, False
        raise DataError(
            f"{self._where}: expected a column of texts or of numbers beside the label, found none "
            f"of {self.width} columns; name them in input-columns"
        )

    def reason_against(self, place: int, label: int, *, own: bool) -> str:
        """Return why a column is not to be learnt from, or nothing; ``own``: by its name alone."""
        name = self.names[place].casefold() if self._has_header else None
        if name in LABEL_NAMES:
            return "another label"
        is_called = name in _COUNTERS
        if own:
            return _COUNTS_ROWS if is_called else ""
        if self._telling(place, label) is Telling.SURELY:
            return _SAYS_LABEL
        if csv_column.hardly_ever_known(self._some(place)):
            return self.reason_no_numbers(place)
        is_counted = is_called and csv_column.are_whole(self._all(place))
        return _COUNTS_ROWS if is_counted or self._counts_rows(place) else ""

    def reason_no_numbers(self, place: int) -> str:
        """Return why a column is none of numbers."""
        cells = self._all(place)
        count, _ = csv_column.numbers_among(cells)
        return f"numbers in {count} of {len(cells)} rows alone" if count else "no numbers"

    def doubts(self, chosen: Sequence[int], label: int) -> tuple[str, ...]:
        """Say which columns that are read may say more than they should."""
        why = {}
        for place in chosen:
            if self._telling(place, label) is not Telling.NO:
                why[place] = _SAYS_LABEL
            elif self._counts_rows(place):
                why[place] = _COUNTS_ROWS
        told = (
            f"{self._where}: columns that are read, and of which each seems to say the label or to "
            f"count rows: {self._reasons(why)}; if they do, name the others in input-columns"
        )
        return (told,) if why else ()

    def notes(
        self, label: int, chosen: Sequence[int], aside: Mapping[int, str], *, are_texts: bool
    ) -> tuple[str, ...]:
        """Say what was decided, in plain sentences."""
        taken = "names columns" if self._tells_names else "is taken for names of columns"
        first = taken if self._has_header else "is a sample"
        told = (
            f"{self._where}: the first row {first}; the label is column {self.shown(label)}, "
            f"{'texts' if are_texts else 'numbers'} are read of {self._listed(chosen)}"
        )
        left = f"{self._where}: columns that are not read: {self._reasons(aside)}"
        return (told, left) if aside else (told,)

    def shown(self, place: int) -> str:
        """Return a column's name, or its number where the name may be a sample or another's too."""
        name, number = self.names[place], self._numbers[place]
        if not self._tells_names:
            return number
        return name if self.names.count(name) == 1 else f"{number} ({name})"

    def _sorted(self, places: Sequence[int]) -> tuple[list[int], list[int], list[int]]:
        """Return which columns hold numbers, which numbers with commas, and which others."""
        numbers = [place for place in places if csv_column.are_numbers(self._some(place))]
        with_commas = [place for place in places if csv_column.have_commas(self._some(place))]
        return numbers, with_commas, [p for p in places if p not in {*numbers, *with_commas}]

    def _refused(self, with_commas: Sequence[int], otherwise: str = "") -> DataError:
        return DataError(
            f"{self._where}: expected texts or numbers in column {self._listed(with_commas)}, but "
            f"{_WRITE_POINTS}{otherwise}"
        )

    def _telling(self, place: int, label: int) -> Telling:
        return csv_column.telling(self._all(place), self._all(label))

    def _counts_rows(self, place: int) -> bool:
        """Tell whether a column rises by one, or counts in any order and has no name of its own."""
        cells = self._all(place)
        if csv_column.rise_by_one(cells):
            return True
        return not self._has_header and csv_column.count_in_any_order(cells)

    def _all(self, place: int) -> list[str]:
        return [row[place] for row in self.rows]

    def _some(self, place: int) -> list[str]:
        return [row[place] for row in self._probed]

    def _reasons(self, why: Mapping[int, str]) -> str:
        told = [f"{self.shown(place)} ({reason})" for place, reason in list(why.items())[:_NAMED]]
        return ", ".join(told) + (f" and {len(why) - _NAMED} more" if len(why) > _NAMED else "")

    def _listed(self, places: Sequence[int]) -> str:
        named = ", ".join(self.shown(place) for place in places[:_NAMED])
        return f"{named} and {len(places) - _NAMED} more" if len(places) > _NAMED else named
