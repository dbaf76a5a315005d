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
from collections.abc import Callable, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Final

import torch
from torch import Tensor

from client_app.data import csv_classes
from client_app.data.collection import Collection, Reading
from client_app.data.csv_layout import Layout, Row, layout_of
from client_app.data.kept_split import Identity
from client_app.data.table_rows import number_of, texts_read
from client_app.data.words import Numbering, words_of
from strategies.common.errors import DataError
from strategies.common.names import normalised
from strategies.common.settings import RunSettings

# A row with the line that it ends on; and lines that are left out, by reason.
_Numbered = tuple[int, Row]
_Left = dict[str, list[str]]

_SEPARATORS: Final = (",", ";", "\t", "|")
# Rows by which the separator is told.
_PROBED: Final = 50
_LONGEST_CELL: Final = 10_000_000

_OR_LIST: Final = ", or list all classes, one in each line, in NAME.classes.txt beside NAME.csv"
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


def read(
    place: Path, settings: RunSettings, classes: tuple[str, ...] = (), *, own: bool = False
) -> Collection:
    """Read labels and rows; texts become numbers of words on demand.

    Parameters
    ----------
    place : Path
        The file.
    settings : RunSettings
        Columns, and how words are numbered.
    classes : tuple[str, ...]
        Their names, where they are listed; otherwise they are those of the rows.
    own : bool
        Whether it is a device's own, whose columns others know by nothing but their names.

    Raises
    ------
    DataError
        If it is no such table.
    """
    where = f"csv {place.name}"
    numbered = _rows(place, where)
    left: dict[str, list[str]] = {}
    whole = _whole(numbered, left, where)
    columns = settings.label_column, settings.named_inputs
    layout = layout_of([row for _, row in whole], *columns, where, classes)
    if own and not (layout.are_texts or layout.has_header):
        raise DataError(
            f"{where}: expected a first row that names the columns, by which devices tell that "
            f"theirs are the same, found numbers; write one"
        )
    usable = _usable(whole[layout.has_header :], layout, left)
    kept, lines = [row for _, row in usable], [f"line {line}" for line, _ in usable]
    told = [_label(row, layout) for row in kept]
    if classes:
        known = csv_classes.listed(told, classes, where)
    else:
        known = csv_classes.found(told, where, _OR_LIST if own else "")
    labels = torch.tensor([known.places[label] for label in told])
    numbering = Numbering.of(settings) if layout.are_texts else None
    return Collection(
        labels,
        known.names,
        _reader(kept, layout, numbering, where, lines),
        identities=partial(_identities, kept, layout),
        left_out=left,
        total=len(numbered) - layout.has_header,
        files=[place],
        is_told_by_files=True,
        notes=(*layout.notes, *known.notes),
        counted="rows",
        numbering=numbering,
        columns=(layout.named_label, *layout.named_inputs),
    )


def _whole(numbered: list[_Numbered], left: _Left, where: str) -> list[_Numbered]:
    """Return the rows that have as many cells as most, and count the others."""
    width = Counter(len(row) for _, row in numbered).most_common(1)[0][0]
    whole = [(line, row) for line, row in numbered if len(row) == width]
    if width < 2 or len(whole) < 2:
        raise DataError(
            f"{where}: expected rows of at least two cells, a label and what it is of, found "
            f"{len(whole)} of {width}; separate cells by a comma, a semicolon, a tab or a bar"
        )
    if others := [f"line {line}" for line, row in numbered if len(row) != width]:
        left[_OTHER_CELLS] = others
    return whole


def _usable(whole: list[_Numbered], layout: Layout, left: _Left) -> list[_Numbered]:
    """Return the rows that have all that is read of them, and count the others."""
    usable = []
    for line, row in whole:
        if reason := _fault(row, layout):
            left.setdefault(reason, []).append(f"line {line}")
        else:
            usable.append((line, row))
    return usable


def _identities(kept: Sequence[Row], layout: Layout) -> list[Identity]:
    """Return what rows are: nothing but what is learnt from, which may come more than once.

    Neither a corrected label, nor a number that is written in another way, nor a column that is
    not read makes another row: who learnt from it has learnt from it.
    """
    if layout.are_texts:
        told = (json.dumps(words_of(_text(row, layout))).encode() for row in kept)
    else:
        told = (json.dumps(_numbers(row, layout)).encode() for row in kept)
    digests = [hashlib.sha256(one).hexdigest()[:32] for one in told]
    return [Identity(digest, digest, digest) for digest in digests]


def _reader(
    kept: Sequence[Row],
    layout: Layout,
    numbering: Numbering | None,
    where: str,
    lines: Sequence[str],
) -> Callable[[Tensor, int], Reading]:
    if numbering is not None:
        return texts_read(
            lambda rows: [_text(kept[row], layout) for row in rows], numbering, where, lines
        )

    def numbers(rows: Tensor, image_size: int) -> Reading:  # noqa: ARG001
        cells = [_numbers(kept[row], layout) for row in rows]
        return Reading(torch.tensor(cells, dtype=torch.float32), torch.arange(len(rows)))

    return numbers


def _text(row: Row, layout: Layout) -> str:
    return " ".join(row[place] for place in layout.inputs)


def _numbers(row: Row, layout: Layout) -> list[float]:
    return [float(row[place]) for place in layout.inputs]


def _label(row: Row, layout: Layout) -> str:
    return normalised(row[layout.label].strip())


def _fault(row: Row, layout: Layout) -> str:
    if not _label(row, layout):
        return _NO_LABEL
    if not layout.are_texts and any(number_of(row[place]) is None for place in layout.inputs):
        return _NO_NUMBER
    return ""


def _rows(place: Path, where: str) -> list[_Numbered]:
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
    rows: list[_Numbered] = []
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
