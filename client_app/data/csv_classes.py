"""The classes of a table: which labels are one, in which order, and what they are called."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, final

from client_app.data.left_out import some
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
        Which labels that are written in unlike ways are one.
    """

    names: tuple[str, ...]
    places: Mapping[str, int]
    notes: tuple[str, ...] = ()


def found(labels: Sequence[str], where: str, or_list: str) -> Classes:
    """Return the classes that labels have; ``or_list`` says how else they may be named.

    Numbers are in the order of their values, and 1.0 is the class of 1; names are in that of their
    letters.

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
    merged = [" and ".join(ways) for ways in spelt.values() if len(ways) > 1]
    notes = (f"{where}: labels that are one number are one class: {some(merged)}",)
    place_of = {kind: place for place, kind in enumerate(kinds)}
    places = {label: place_of[value] for label, value in zip(ordered, values, strict=True)}
    return Classes(names, places, notes if merged else ())


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


def _order(label: str) -> tuple[bool, Decimal, str]:
    number = value_of(label)
    return number is None, number or Decimal(0), label
