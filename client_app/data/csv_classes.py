"""The classes of a table: which labels are one, in which order, and what they are called."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, final

from client_app.data.csv_column import most_classes
from client_app.data.table_rows import is_nan
from strategies.common.errors import DataError
from strategies.common.transport.ranges import MAX_CLASSES

_NUMBER: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d{1,4})?", re.ASCII | re.IGNORECASE)
# Of a label; longer ones are names.
_LONGEST: Final = 100


@final
@dataclass(frozen=True)
class Classes:
    """Classes of labels.

    Attributes
    ----------
    names : tuple[str, ...]
        In their order.
    places : Mapping[str, int]
        The place among them of every label.
    notes : tuple[str, ...]
        That labels which are written in unlike ways are one, and that many are measurements.
    """

    names: tuple[str, ...]
    places: Mapping[str, int]
    notes: tuple[str, ...] = ()


def found(labels: Sequence[str], column: str, where: str, or_list: str) -> Classes:
    """Return the classes that labels have.

    Numbers are in the order of their values, and 1.0 is the class of 1; names are in that of their
    letters.

    Parameters
    ----------
    labels : Sequence[str]
        Those of all rows.
    column, where : str
        What the column is called in notes, and the table in these and in errors.
    or_list : str
        How else classes may be named.

    Raises
    ------
    DataError
        If there are too few, or too many.
    """
    ordered = sorted(set(labels), key=_order)
    values: list[object] = [value_of(label) for label in ordered]
    if None in values:
        values = list(ordered)
    kinds = list(dict.fromkeys(values))
    if not 1 < len(kinds) <= MAX_CLASSES:
        raise DataError(
            f"{where}: expected 2 to {MAX_CLASSES} classes, found {len(kinds)}; set label-column "
            f"to another column{or_list}"
        )
    spelt: dict[object, list[str]] = {}
    for label, value in zip(ordered, values, strict=True):
        spelt.setdefault(value, []).append(label)
    # Of several spellings of one number the shortest names it.
    names = tuple(min(spelt[kind], key=len) for kind in kinds)
    # None of them is shown: labels may be private, and those that are numbers look like any other.
    merged = sum(len(ways) > 1 for ways in spelt.values())
    one = f"{where}: labels that are one number are one class, written in more ways than one: "
    notes = [f"{one}{merged} of {len(kinds)} classes"] if merged else []
    if _are_measured(kinds, len(labels)):
        notes.append(
            f"{where}: label column {column} has {len(kinds)} classes in {len(labels)} rows and "
            f"holds fractions: each value is a class; if they are measurements, set label-column "
            f"to another column"
        )
    place_of = {kind: place for place, kind in enumerate(kinds)}
    places = {label: place_of[value] for label, value in zip(ordered, values, strict=True)}
    return Classes(names, places, tuple(notes))


def without(labels: Collection[str], names: Collection[str] = ()) -> frozenset[str]:
    """Return which labels say that there is none: NaN among numbers.

    Parameters
    ----------
    labels : Collection[str]
        Those of all rows.
    names : Collection[str]
        All classes, where they are listed.

    Examples
    --------
    >>> sorted(without(["0", "nan", "1"])), sorted(without(["nan", "roti"]))
    (['nan'], [])
    """
    missing = frozenset(label for label in labels if is_nan(label))
    classes = set(names) or {label for label in labels if label} - missing
    numbers = bool(classes) and all(value_of(name) is not None for name in classes)
    return missing if numbers else frozenset()


def listed(labels: Sequence[str], names: Sequence[str], where: str) -> Classes:
    """Return the classes of a list; a label is that of its name, or of the one of its number.

    Raises
    ------
    DataError
        If a label has none, or several; no label is told, which may be a sample.
    """
    numbered: dict[Decimal, list[str]] = {}
    for name in names:
        if (value := value_of(name)) is not None:
            numbered.setdefault(value, []).append(name)
    place_of = {name: place for place, name in enumerate(names)}
    places: dict[str, int] = {}
    for label in set(labels):
        value = value_of(label)
        alike = (
            [label] if label in place_of else numbered.get(value, []) if value is not None else []
        )
        if len(alike) == 1:
            places[label] = place_of[alike[0]]
    if lacking := [label for label in labels if label not in places]:
        raise DataError(
            f"{where}: expected labels of the list of classes beside the table, found "
            f"{len(set(lacking))} others in {len(lacking)} of {len(labels)} rows; list them on all "
            f"devices, remove their rows, or set label-column to another column"
        )
    return Classes(tuple(names), places)


def value_of(label: str) -> Decimal | None:
    """Return exactly the number that a label is; ``None`` for a name.

    Examples
    --------
    >>> value_of("1.0") == value_of("1"), value_of("1_0")
    (True, None)
    """
    is_number = len(label) <= _LONGEST and _NUMBER.fullmatch(label)
    return Decimal(label) if is_number else None


def _are_measured(kinds: Sequence[object], rows: int) -> bool:
    """Tell whether there are fractions among classes, and more of these than of so few rows."""
    fractions = any(isinstance(one, Decimal) and one != one.to_integral_value() for one in kinds)
    return fractions and len(kinds) > most_classes(rows)


def _order(label: str) -> tuple[bool, Decimal, str]:
    number = value_of(label)
    return number is None, number or Decimal(0), label
