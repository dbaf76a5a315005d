"""``csv:<file>``: a table of texts or of numbers with a label in each row, dealt to clients.

Columns are separated by commas, semicolons, tabs or bars, quotes are doubled within quotes, and
the text is UTF-8. The label is the column that ``label-column`` names, else one that is called as
labels are, else the first or the last if it alone has few values. Texts of all other columns are
read together; without any, numbers are. Rows that cannot be used are counted with their reason.
"""

import csv
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import torch
from torch import Tensor

from client_app.data.collection import Collection, Reading
from client_app.data.csv_layout import Layout, Row, layout_of
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


def read(place: Path, settings: RunSettings) -> Collection:
    """Read labels and rows; texts become numbers of words on demand.

    Parameters
    ----------
    place : Path
        The file.
    settings : RunSettings
        Columns, and how words are numbered.

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
    columns = settings.label_column, settings.input_columns
    layout = layout_of([row for _, row in whole], *columns, where)
    kept: list[Row] = []
    for line, row in whole[layout.has_header :]:
        if reason := _fault(row, layout):
            left.setdefault(reason, []).append(f"line {line}")
        else:
            kept.append(row)
    names = _classes([row[layout.label] for row in kept], where)
    places = {name: number for number, name in enumerate(names)}
    labels = torch.tensor([places[_label(row, layout)] for row in kept])
    numbering = Numbering.of(settings) if layout.are_texts else None
    return Collection(
        labels,
        names,
        _reader(kept, layout, numbering, where),
        left_out=left,
        total=len(numbered) - layout.has_header,
        files=[place],
        is_told_by_files=True,
        notes=layout.notes,
        counted="rows",
        numbering=numbering,
    )


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


def _classes(labels: Sequence[str], where: str) -> tuple[str, ...]:
    """Return the names of the classes, numbers by their value and names by their letters."""
    found = sorted({normalised(label.strip()) for label in labels}, key=_order)
    if not 1 < len(found) <= MAX_CLASSES:
        raise DataError(
            f"{where}: expected 2 to {MAX_CLASSES} classes, found {len(found)}; set label-column "
            f"to another column"
        )
    return tuple(found)


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
    lines = text.splitlines(keepends=True)
    before = csv.field_size_limit(_LONGEST_CELL)
    try:
        reader = csv.reader(lines, delimiter=_separator(lines))
        rows: list[tuple[int, Row]] = [
            (reader.line_num, row) for row in reader if any(cell.strip() for cell in row)
        ]
    except csv.Error as error:
        raise DataError(f"{where}, line {reader.line_num}: cannot be read: {error}") from None
    finally:
        csv.field_size_limit(before)
    if not rows:
        raise DataError(f"{where}: expected rows, found none")
    return rows


def _separator(lines: Sequence[str]) -> str:
    """Return what separates most rows into the same number of cells, a comma if several do."""

    def agreement(separator: str) -> int:
        widths = Counter(len(row) for row in csv.reader(lines[:_PROBED], delimiter=separator))
        width, count = widths.most_common(1)[0] if widths else (0, 0)
        return count if width > 1 else 0

    return max(_SEPARATORS, key=agreement)
