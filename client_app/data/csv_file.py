"""``csv:<file>``: a table of texts or of numbers with a label in each row, dealt to clients.

Columns are separated by commas, semicolons, tabs or bars, quotes are doubled within quotes, and
the text is UTF-8. The label is the column that ``label-column`` names, else one that is called as
labels are, else the first or the last if it alone has few values. Texts of all other columns are
read together; without any, numbers are. Rows that cannot be used are counted with their reason.
"""

import csv
import hashlib
import io
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Final

import torch
from torch import Tensor

from client_app.data import class_list
from client_app.data.collection import Collection, Reading
from client_app.data.csv_layout import Layout, Row, layout_of
from client_app.data.kept_split import Identity
from client_app.data.table_rows import number_of, texts_read
from client_app.data.words import Numbering
from strategies.common.errors import DataError
from strategies.common.names import normalised
from strategies.common.settings import RunSettings
from strategies.common.transport.ranges import MAX_CLASSES

_SEPARATORS: Final = (",", ";", "\t", "|")
# Rows by which the separator is told.
_PROBED: Final = 50
_LONGEST_CELL: Final = 10_000_000

_OTHER_CELLS: Final = "with another number of cells"
_NO_LABEL: Final = "without a label"
_NO_NUMBER: Final = "without a number in each column"


def files(place: Path) -> list[Path]:
    """Return the file.

    Raises
    ------
    DataError
        If it is not there.
    """
    require(place)
    return [place]


def require(place: Path) -> None:
    """Refuse a table that does not exist.

    Raises
    ------
    DataError
        With the absolute path.
    """
    if not place.is_file():
        raise DataError(
            f"csv: expected a file at {place.absolute()}, found "
            f"{'a folder' if place.is_dir() else 'none'}; give an absolute path that exists on "
            f"this device"
        )


def read(place: Path, settings: RunSettings, listing: Path | None = None) -> Collection:
    """Read labels and rows; texts become numbers of words on demand.

    Parameters
    ----------
    place : Path
        The file.
    settings : RunSettings
        Columns, and how words are numbered.
    listing : Path | None
        File of the class names, where there is one; otherwise they are those of the rows.

    Raises
    ------
    DataError
        If it is no such table.
    """
    where = f"csv {place.name}"
    numbered = _rows(place, where)
    width = Counter(len(row) for _, row in numbered).most_common(1)[0][0]
    left: dict[str, list[str]] = {}
    whole = []
    for line, row in numbered:
        if len(row) == width:
            whole.append((line, row))
        else:
            left.setdefault(_OTHER_CELLS, []).append(f"line {line}")
    if width < 2 or len(whole) < 2:
        raise DataError(
            f"{where}: expected rows of at least two cells, a label and what it is of, found "
            f"{len(whole)} of {width}; separate cells by a comma, a semicolon, a tab or a bar"
        )
    columns = settings.label_column, settings.named_inputs
    layout = layout_of([row for _, row in whole], *columns, where)
    kept: list[Row] = []
    for line, row in whole[layout.has_header :]:
        if reason := _fault(row, layout):
            left.setdefault(reason, []).append(f"line {line}")
        else:
            kept.append(row)
    told = [_label(row, layout) for row in kept]
    names, places = _classes(told, where) if listing is None else _listed(told, listing)
    labels = torch.tensor([places[label] for label in told])
    numbering = Numbering.of(settings) if layout.are_texts else None
    return Collection(
        labels,
        names,
        _reader(kept, layout, numbering, where),
        identities=partial(_identities, kept),
        left_out=left,
        total=len(numbered) - layout.has_header,
        files=[place],
        is_told_by_files=True,
        notes=layout.notes,
        counted="rows",
        numbering=numbering,
        columns=() if layout.are_texts else layout.named_inputs,
    )


def _identities(kept: Sequence[Row]) -> list[Identity]:
    """Return what rows are: nothing but their cells, which may come more than once."""
    told = (json.dumps(list(row)).encode() for row in kept)
    digests = [hashlib.sha256(one).hexdigest()[:32] for one in told]
    return [Identity(digest, digest, digest) for digest in digests]


def _reader(
    kept: Sequence[Row], layout: Layout, numbering: Numbering | None, where: str
) -> Callable[[Tensor, int], Reading]:
    if numbering is not None:
        return texts_read(lambda rows: [_text(kept[row], layout) for row in rows], numbering, where)

    def numbers(rows: Tensor, image_size: int) -> Reading:  # noqa: ARG001
        cells = [[float(kept[row][place]) for place in layout.inputs] for row in rows]
        return Reading(torch.tensor(cells, dtype=torch.float32), torch.arange(len(rows)))

    return numbers


def _text(row: Row, layout: Layout) -> str:
    return " ".join(row[place] for place in layout.inputs)


def _label(row: Row, layout: Layout) -> str:
    return normalised(row[layout.label].strip())


def _fault(row: Row, layout: Layout) -> str:
    if not _label(row, layout):
        return _NO_LABEL
    if not layout.are_texts and any(number_of(row[place]) is None for place in layout.inputs):
        return _NO_NUMBER
    return ""


def _classes(labels: Sequence[str], where: str) -> tuple[tuple[str, ...], Mapping[str, int]]:
    """Return the names of the classes and the place of each label among them.

    Numbers are in the order of their values, and 1.0 is the class of 1; names are in that of their
    letters.
    """
    ordered = sorted(set(labels), key=_order)
    values = [number_of(label) for label in ordered]
    if None in values:
        values = list(range(len(ordered)))
    kinds = list(dict.fromkeys(values))
    if not 1 < len(kinds) <= MAX_CLASSES:
        raise DataError(
            f"{where}: expected 2 to {MAX_CLASSES} classes, found {len(kinds)}; set label-column "
            f"to another column"
        )
    places = {label: kinds.index(value) for label, value in zip(ordered, values, strict=True)}
    # Of several spellings of one number the shortest names it.
    names = [
        min((label for label in ordered if places[label] == place), key=len)
        for place in range(len(kinds))
    ]
    return tuple(names), places


def _listed(labels: Sequence[str], listing: Path) -> tuple[tuple[str, ...], Mapping[str, int]]:
    """Return the names of a list, and the place of each label among them: 1.0 is that of 1."""
    values = {number_of(name): name for name in class_list.read(listing, (), "", "")}
    names = {label: values.get(number_of(label), label) for label in set(labels)}
    names |= {label: label for label in names if number_of(label) is None}
    told = sorted(set(names.values()), key=_order)
    known = class_list.read(listing, told, "label", "remove its rows")
    return known, {label: known.index(name) for label, name in names.items()}


def _order(label: str) -> tuple[bool, float, str]:
    number = number_of(label)
    return number is None, 0.0 if number is None else number, label


def _rows(place: Path, where: str) -> list[tuple[int, Row]]:
    """Return every row that is not empty, with the line that it ends on."""
    require(place)
    try:
        text = place.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{where}: expected text in UTF-8, found the byte {error.object[error.start]:#04x} at "
            f"{error.start}; save the table as UTF-8"
        ) from None
    except OSError as error:
        raise DataError(f"{where}: cannot be read: {error}") from None
    before = csv.field_size_limit(_LONGEST_CELL)
    line = 0
    rows: list[tuple[int, Row]] = []
    try:
        # Strictly: a quote that is never closed would swallow all rows behind it.
        reader = csv.reader(io.StringIO(text, newline=""), _separator(text, where), strict=True)
        for row in reader:
            line = reader.line_num
            if any(cell.strip() for cell in row):
                rows.append((line, row))
    except csv.Error as error:
        raise DataError(
            f"{where}, after line {line}: cannot be read: {error}; close every quote, and double "
            f"those within a cell that is quoted"
        ) from None
    finally:
        csv.field_size_limit(before)
    if not rows:
        raise DataError(f"{where}: expected rows, found none")
    return rows


def _separator(text: str, where: str) -> type[csv.Dialect]:
    """Return what separates most rows into the same number of cells.

    Raises
    ------
    DataError
        If two separate all rows equally well, as in numbers with decimal commas.
    """

    def agreement(separator: str) -> tuple[int, int]:
        read = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
        widths = Counter(len(row) for row in islice((row for row in read if row), _PROBED))
        width, count = widths.most_common(1)[0] if widths else (0, 0)
        return (count if width > 1 else 0), sum(widths.values())

    found = {separator: agreement(separator) for separator in _SEPARATORS}
    whole = [one for one, (count, total) in found.items() if 1 < count == total]
    if len(whole) > 1:
        raise DataError(
            f"{where}: expected one separator of cells, found that {' and '.join(map(repr, whole))}"
            f" part all rows alike; quote cells that hold one of them, or write points in numbers"
        )
    best = max(_SEPARATORS, key=lambda one: found[one][0])
    return type("_Chosen", (csv.excel,), {"delimiter": best})
