"""The rows of a CSV file: what separates their cells, and how many cells a row has."""

import csv
import io
from collections import Counter
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Final

from client_app.data.csv_header import Row, is_called_for
from strategies.common.errors import DataError

# A row with the line that it ends on; and lines that are left out, by reason.
Numbered = tuple[int, Row]
Left = dict[str, list[str]]

_SEPARATORS: Final = (",", ";", "\t", "|")
# Rows by which the separator is told.
_PROBED: Final = 50
_LONGEST_CELL: Final = 10_000_000
_OTHER_CELLS: Final = "with another number of cells"


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


def rows_of(place: Path, where: str) -> list[Numbered]:
    """Return every row that is not empty, with the line that it ends on.

    Raises
    ------
    DataError
        If it is no such file; no cell of it is told.
    """
    text = _text_of(place, where)
    before = csv.field_size_limit(_LONGEST_CELL)
    line = 0
    rows: list[Numbered] = []
    try:
        # Strictly: a quote that is never closed would swallow all rows behind it.
        reader = csv.reader(io.StringIO(text, newline=""), _separator(text, where), strict=True)
        for row in reader:
            line = reader.line_num
            if any(cell.strip() for cell in row):
                rows.append((line, row))
    except csv.Error as error:
        if "field limit" in str(error):
            raise DataError(
                f"{where}, line {line + 1}: cannot be read: expected cells of at most "
                f"{_LONGEST_CELL:,} characters, found a larger one in the row that begins there; "
                f"shorten it, or close the quote that it begins with"
            ) from None
        raise DataError(
            f"{where}, after line {line}: cannot be read: {error}; close every quote, and double "
            f"those within a cell that is quoted"
        ) from None
    finally:
        csv.field_size_limit(before)
    if not rows:
        raise DataError(f"{where}: expected rows, found none")
    return rows


def whole(
    numbered: Sequence[Numbered], asked: Sequence[str], left: Left, where: str
) -> list[Numbered]:
    """Return the rows that have a cell in each column, and count the others.

    Cells at the end that are empty in every row are no column: a separator ends each row.

    Parameters
    ----------
    numbered : Sequence[Numbered]
        All rows.
    asked : Sequence[str]
        Columns that are asked for: a row with one of these names columns.
    left : Left
        Where the others are counted.
    where : str
        For messages.

    Raises
    ------
    DataError
        If there are too few, or a row that names columns has not as many cells as the others.
    """
    first = numbered[0][1]
    most = Counter(len(row) for _, row in numbered).most_common(1)[0][0]
    alike = [first[:most], *(row for _, row in numbered if len(row) == most)]
    width = max((place + 1 for row in alike for place in _filled(row)), default=0)
    found = [(line, row[:width]) for line, row in numbered if _is_whole(row, width)]
    if width < 2 or len(found) < 2:
        raise DataError(
            f"{where}: expected rows of at least two cells, a label and what it is of, found "
            f"{len(found)} of {width}; separate cells by a comma, a semicolon, a tab or a bar"
        )
    others = [f"line {line}" for line, row in numbered if not _is_whole(row, width)]
    if not _is_whole(first, width) and (len(others) == 1 or is_called_for(first, asked)):
        raise DataError(
            f"{where}: expected as many cells in the first row as in the others, found "
            f"{len(first)} in it and {width} in the others; if it names columns, give each a name, "
            f"else remove it"
        )
    if others:
        left[_OTHER_CELLS] = others
    return found


def _is_whole(row: Row, width: int) -> bool:
    return len(row) >= width and not any(cell.strip() for cell in row[width:])


def _filled(row: Row) -> list[int]:
    return [place for place, cell in enumerate(row) if cell.strip()]


def _text_of(place: Path, where: str) -> str:
    require(place)
    try:
        return place.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{where}: expected text in UTF-8, found the byte {error.object[error.start]:#04x} at "
            f"{error.start}; save the table as UTF-8"
        ) from None
    except OSError as error:
        raise DataError(f"{where}: cannot be read: {error}") from None


def _separator(text: str, where: str) -> type[csv.Dialect]:
    """Return what separates most rows into the same number of cells.

    Raises
    ------
    DataError
        If two separate all rows equally well, as in numbers with decimal commas.
    """

    def agreement(separator: str) -> tuple[int, int]:
        widths: Counter[int] = Counter()
        try:
            read = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
            widths.update(len(row) for row in islice((row for row in read if row), _PROBED))
        except csv.Error:
            pass  # the rows before it tell; whoever reads all of them says where it is
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
