"""``csv:<file>``: a table of texts or of numbers with a label in each row, dealt to clients.

Columns are separated by commas, semicolons, tabs or bars, quotes are doubled within quotes, and
the text is UTF-8. The label is the column that ``label-column`` names, else one that is called as
labels are, else the first or the last if it alone has few values. Texts of all other columns are
read together; without any, numbers are. Rows that cannot be used are counted with their reason.
"""

import hashlib
import json
from collections.abc import Callable, Container, Sequence
from functools import partial
from pathlib import Path
from typing import Final

import torch
from torch import Tensor

from client_app.data import csv_classes, csv_rows
from client_app.data.collection import Collection, Reading
from client_app.data.csv_header import Row
from client_app.data.csv_layout import Layout, layout_of
from client_app.data.csv_rows import Left, Numbered
from client_app.data.kept_split import Identity
from client_app.data.left_out import explained, told
from client_app.data.table_rows import number_of, texts_read
from client_app.data.words import Numbering, words_of
from strategies.common.errors import DataError
from strategies.common.names import normalised
from strategies.common.settings import RunSettings

require = csv_rows.require

_OR_LIST: Final = ", or list all classes, one in each line, in NAME.classes.txt beside NAME.csv"
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
    numbered = csv_rows.rows_of(place, where)
    left: Left = {}
    columns = settings.label_column, settings.named_inputs
    whole = csv_rows.whole(numbered, (columns[0], *columns[1]), left, where)
    with explained(told(where, left, len(numbered), "rows")):
        layout = layout_of([row for _, row in whole], *columns, where, classes, own=own)
    if own:
        _require_names(layout, where)
    usable = _usable(whole[layout.has_header :], layout, classes, left)
    total = len(numbered) - layout.has_header
    kept, lines = [row for _, row in usable], [f"line {line}" for line, _ in usable]
    with explained([*layout.notes, *told(where, left, total, "rows")]):
        known = _classes([_label(row, layout) for row in kept], layout, classes, where, own=own)
    labels = torch.tensor([known.places[_label(row, layout)] for row in kept])
    numbering = Numbering.of(settings) if layout.are_texts else None
    return Collection(
        labels,
        known.names,
        _reader(kept, layout, numbering, where, lines),
        identities=partial(_identities, kept, layout),
        left_out=left,
        total=total,
        files=[place],
        is_told_by_files=True,
        notes=(*layout.notes, *known.notes),
        counted="rows",
        numbering=numbering,
        columns=(layout.named_label, *layout.named_inputs),
    )


def _require_names(layout: Layout, where: str) -> None:
    """Refuse a device's own columns of numbers that others could not tell from one another."""
    are_told_apart = len(set(layout.named_inputs)) == len(layout.named_inputs)
    if layout.are_texts or (layout.has_header and are_told_apart):
        return
    raise DataError(
        f"{where}: expected a first row that names the columns, by which devices tell that "
        f"theirs are the same, found {'one name twice' if layout.has_header else 'numbers'}; "
        f"write one{' that gives each column of numbers its own' if layout.has_header else ''}"
    )


def _classes(
    labels: Sequence[str], layout: Layout, classes: tuple[str, ...], where: str, *, own: bool
) -> csv_classes.Classes:
    """Return the classes of rows, of which there must be one."""
    if not labels:
        raise DataError(f"{where}: expected rows that can be used, found none")
    if classes:
        return csv_classes.listed(labels, classes, where)
    return csv_classes.found(labels, layout.told_label, where, _OR_LIST if own else "")


def _usable(
    whole: Sequence[Numbered], layout: Layout, classes: Sequence[str], left: Left
) -> list[Numbered]:
    """Return the rows that have all that is read of them, and count the others."""
    none = {"", *csv_classes.without({_label(row, layout) for _, row in whole}, classes)}
    usable = []
    for line, row in whole:
        if reason := _fault(row, layout, none):
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
        whole = (json.dumps(words_of(_text(row, layout))).encode() for row in kept)
    else:
        whole = (json.dumps(_numbers(row, layout)).encode() for row in kept)
    digests = [hashlib.sha256(one).hexdigest()[:32] for one in whole]
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


def _fault(row: Row, layout: Layout, none: Container[str]) -> str:
    if _label(row, layout) in none:
        return _NO_LABEL
    if not layout.are_texts and any(number_of(row[place]) is None for place in layout.inputs):
        return _NO_NUMBER
    return ""
