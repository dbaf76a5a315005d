"""``parquet:<dir>``: a folder of parquet files in the hub's layout.

Files whose names begin with ``train`` or ``test`` are merged, and each client's share of
the whole is split again into train and test, as PFLlib does and as for every source: a
client is tested on its own kind of data. Where no file is named so, all are merged.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, final

import torch
from torch import Tensor

from client_app.data import class_columns, columns, image_cells, parquet_rows, telling_columns
from client_app.data.collection import Collection, Reading, require_folder
from client_app.data.columns import Columns
from client_app.data.folder import unusable, walk
from client_app.data.left_out import LeftOut, some, told
from client_app.data.row_names import RowNames
from client_app.data.table_rows import texts_read
from client_app.data.words import Numbering
from strategies.common.errors import DataError
from strategies.common.settings import RunSettings

if TYPE_CHECKING:
    import pyarrow as pa


@final
@dataclass(frozen=True)
class _Table:
    """One file: its columns and which are read, rows in all, and those that have a label."""

    schema: "pa.Schema"
    columns: Columns
    count: int
    labels: Tensor
    rows: Tensor


@final
@dataclass(frozen=True)
class Listing:
    """What a folder holds.

    Attributes
    ----------
    paths : list[Path]
        The files to merge, train before test.
    left_out : LeftOut
        All others, by reason.
    """

    paths: list[Path]
    left_out: LeftOut

    @property
    def total(self) -> int:
        """Files in all."""
        return len(self.paths) + sum(map(len, self.left_out.values()))


def files(folder: Path) -> list[Path]:
    """Return every file, used or not: all of it is told.

    Raises
    ------
    DataError
        If there are none to merge.
    """
    listing = listed(folder)
    others = [folder / name for names in listing.left_out.values() for name in names]
    return [*listing.paths, *others]


def listed(folder: Path) -> Listing:
    """Return the files to merge, and what else there is.

    Raises
    ------
    DataError
        If there are none to merge.
    """
    require_folder(folder, "parquet")
    found = sorted(folder.glob("*.parquet"))
    if not found:
        beside = some([path.name for path in sorted(folder.iterdir())])
        raise DataError(
            f"parquet: expected *.parquet files in {folder.absolute()}, found "
            f"{f'no such file but {beside}' if beside else 'none'}"
        )
    chosen = [p for start in ("train", "test") for p in found if p.name.startswith(start)] or found
    left_out: dict[str, list[str]] = {}
    for path in walk(folder):
        if path not in chosen:
            name = path.relative_to(folder).as_posix()
            left_out.setdefault(_reason(path, folder), []).append(name)
    return Listing(chosen, left_out)


def _reason(path: Path, folder: Path) -> str:
    if fault := unusable(path, folder):
        return fault
    if path.suffix != ".parquet":
        return "that are no parquet files"
    return "named neither train nor test" if path.parent == folder else "deeper than the folder"


def read(folder: Path, channels: int = 0, wanted: RunSettings | None = None) -> Collection:
    """Read the label columns, and prepare to decode the images, or number the words, of rows.

    Parameters
    ----------
    folder : Path
        Holds the files.
    channels : int
        1 reads all as grey, 3 as colour; 0 as the first rows are.
    wanted : RunSettings | None
        Which columns are asked for, and how words are numbered, where there may be texts.

    Raises
    ------
    DataError
        If a file is damaged, or lacks an image or label column, or files do not go together.
    """
    try:
        import pyarrow  # noqa: F401, PLC0415
    except ImportError:
        raise DataError(
            f"parquet {folder}: expected pyarrow to be installed; install the project with its "
            f"simulation extra"
        ) from None
    listing = listed(folder)
    paths = listing.paths
    where = f"parquet {folder}"
    tables = [_looked_at(path, wanted) for path in paths]
    files = [path.name for path in paths]
    counts = [one.count for one in tables]
    schemas = [one.schema for one in tables]
    chosen = tables[0].columns
    alike = zip(files, schemas, [one.columns for one in tables], strict=True)
    columns.require_alike(alike, where)
    declared = class_columns.agreed_names(
        list(zip(files, schemas, strict=True)), chosen.label, where
    )
    batches = parquet_rows.batches(paths, [chosen.label, *chosen.texts])
    settled = telling_columns.settled(chosen, batches, where)
    rows = RowNames(_through(tables), counts, files)
    labels = class_columns.joined([one.labels for one in tables], rows.unlabelled, where)
    numbering = Numbering.of(wanted) if settled.texts and wanted else None
    every = (*(one.columns for one in tables), settled)
    notes = dict.fromkeys(note for one in every for note in one.notes)
    return Collection(
        labels,
        class_columns.class_names(declared, labels, where),
        texts_read(partial(_texts, paths, rows, settled.texts), numbering, where, rows)
        if numbering
        else partial(_read_rows, paths, rows, settled.image, channels),
        left_out=rows.unlabelled,
        total=sum(counts),
        files=paths,
        notes=(
            *told("parquet", listing.left_out, listing.total),
            *(f"parquet: {note}" for note in notes),
        ),
        counted="rows",
        numbering=numbering,
    )


def _looked_at(path: Path, wanted: RunSettings | None) -> _Table:
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    where = f"parquet {path}"
    try:
        schema = pq.read_schema(path)
        chosen = columns.choose(schema, where, wanted)
        column = pq.ParquetFile(path).read([chosen.label], use_threads=False).column(0)
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"{where}: cannot be read: {error}") from None
    return _Table(schema, chosen, len(column), *class_columns.checked_labels(column, where))


def _through(tables: Sequence[_Table]) -> Tensor:
    """Return the rows that have a label, counted through all files."""
    starts = itertools.accumulate((one.count for one in tables[:-1]), initial=0)
    return torch.cat([one.rows + start for one, start in zip(tables, starts, strict=True)])


def _texts(paths: list[Path], names: RowNames, texts: tuple[str, ...], rows: Tensor) -> list[str]:
    return parquet_rows.texts(paths, names.counts, texts, names.rows[rows])


def _read_rows(
    paths: list[Path],
    names: RowNames,
    image: str,
    channels: int,
    rows: Tensor,
    image_size: int,
) -> Reading:
    first = parquet_rows.first_cells(paths[0], image, names.counts[0])
    num_channels = channels or image_cells.channels(first, f"parquet {paths[0]}")
    encoded = parquet_rows.cells(paths, names.counts, image, names.rows[rows])
    told = [names[row] for row in rows.tolist()]
    return image_cells.read(encoded, told, num_channels, image_size, f"parquet {paths[0].parent}")
