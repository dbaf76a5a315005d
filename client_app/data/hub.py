"""``hub:<name>``: a data set by its name on the Hugging Face hub.

The network is used on first use only; afterwards the library's own cache serves. Train and
test are merged and split again per client, as for every source.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from client_app.data import class_columns, columns, image_cells, left_out, telling_columns
from client_app.data.collection import Collection, Reading
from client_app.data.image_cells import Cell
from client_app.data.row_names import RowNames
from client_app.data.table_rows import texts_read
from client_app.data.words import Numbering
from strategies.common.errors import DataError
from strategies.common.settings import RunSettings

if TYPE_CHECKING:
    from datasets import Dataset


def read(name: str, channels: int = 0, wanted: RunSettings | None = None) -> Collection:
    """Load a data set's labels, and prepare to decode the images, or number the words, of rows.

    Parameters
    ----------
    name : str
        Of the data set.
    channels : int
        1 reads all as grey, 3 as colour; 0 as the first rows are.
    wanted : RunSettings | None
        Which columns are asked for, and how words are numbered, where there may be texts.

    Raises
    ------
    DataError
        If it cannot be loaded, or lacks an image or label column.
    """
    where = f"hub {name}"
    merged, notes = load(name)
    schema = merged.features.arrow_schema
    chosen = columns.choose(schema, where, wanted)
    table = merged.select_columns([chosen.label, *chosen.texts]).with_format("arrow")
    settled = telling_columns.settled(chosen, table.iter(telling_columns.AT_ONCE), where)
    column = merged.select_columns([chosen.label]).with_format("arrow")[:].column(0)
    found, used = class_columns.checked_labels(column, where)
    rows = RowNames(used, [len(column)])
    labels = class_columns.joined([found], rows.unlabelled, where)
    names = class_columns.declared_names(schema, chosen.label)
    numbering = Numbering.of(wanted) if settled.texts and wanted else None
    read_of = merged.select_columns([*(settled.texts or [settled.image])]).with_format("arrow")
    return Collection(
        labels,
        class_columns.class_names(names, labels, where),
        texts_read(partial(_texts, read_of, rows), numbering, where, rows)
        if numbering
        else partial(_read_rows, read_of, rows, where, channels),
        left_out=rows.unlabelled,
        total=len(column),
        notes=(*notes, *(f"{where}: {note}" for note in settled.notes)),
        counted="rows",
        numbering=numbering,
    )


def _texts(table: "Dataset", names: RowNames, rows: Tensor) -> list[str]:
    found = table.select(names.rows[rows].tolist())[:]
    cells = zip(*(column.to_pylist() for column in found.columns), strict=True)
    return [" ".join(text or "" for text in row) for row in cells]


def load(name: str) -> tuple["Dataset", tuple[str, ...]]:
    """Load a data set's train and test splits as one, or all splits where it has neither.

    Returns
    -------
    tuple[Dataset, tuple[str, ...]]
        The rows, and a note on splits that are left out.

    Raises
    ------
    DataError
        If it cannot be loaded.
    """
    try:
        import datasets  # noqa: PLC0415
    except ImportError:
        raise DataError(
            f"hub {name}: expected the library datasets to be installed; install the project with "
            f"its simulation extra"
        ) from None
    try:
        with _quiet():
            splits = datasets.load_dataset(name)
            chosen = [key for key in ("train", "test") if key in splits] or sorted(splits)
            merged = datasets.concatenate_datasets([splits[key] for key in chosen])
    except Exception as error:  # the library raises its own, the network's and plain ones
        raise DataError(
            f"hub {name}: cannot be loaded: {type(error).__name__}: {error}; check the name and "
            f"the network, or copy its parquet files and name them parquet:<dir>, which works "
            f"offline"
        ) from None
    others = {"beside train and test": sorted(set(splits) - set(chosen))}
    return merged, left_out.told(f"hub {name}", others, len(splits), "splits")


def _read_rows(
    encoded: "Dataset", names: RowNames, where: str, channels: int, rows: Tensor, image_size: int
) -> Reading:
    num_channels = channels or image_cells.channels(_first_cells(encoded), where)
    told = [names[row] for row in rows.tolist()]
    return image_cells.read(cells(encoded, names.rows[rows]), told, num_channels, image_size, where)


def _first_cells(encoded: "Dataset") -> Iterator[list[Cell]]:
    count = len(encoded)
    for start in range(0, count, image_cells.PROBED_ROWS):
        yield cells(encoded, torch.arange(start, min(start + image_cells.PROBED_ROWS, count)))


def cells(encoded: "Dataset", rows: Tensor) -> list[Cell]:
    """Read the encoded images of some rows of a table in arrow format with one column."""
    found = image_cells.as_cells(encoded.select(rows.tolist())[:].column(0).to_pylist())
    return [_embedded(cell) for cell in found]


def _embedded(cell: Cell) -> Cell:
    # Hub data made of single files keep paths into the library's cache in place of bytes.
    path = cell["path"]
    if cell["bytes"] is None and isinstance(path, str):
        with suppress(OSError):  # one that is gone from the cache is an image that is not there
            return {"bytes": Path(path).read_bytes(), "path": path}
    return cell


@contextmanager
def _quiet() -> Iterator[None]:
    import datasets  # noqa: PLC0415

    shown = not datasets.are_progress_bars_disabled()
    datasets.disable_progress_bars()
    try:
        yield
    finally:
        if shown:
            datasets.enable_progress_bars()
