"""``parquet:<dir>``: a folder of parquet files in the hub's layout.

Files whose names begin with ``train`` or ``test`` are merged, and each client's share of
the whole is split again into train and test, as PFLlib does and as for every source: a
client is tested on its own kind of data. Where no file is named so, all are merged.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, final

import torch
from torch import Tensor

from client_app.data import columns
from client_app.data.collection import Collection, Reading, require_folder
from client_app.data.columns import Cell
from client_app.data.folder import unusable, walk
from client_app.data.left_out import LeftOut, some
from client_app.data.table_rows import texts_read
from client_app.data.words import Numbering
from strategies.common.errors import DataError
from strategies.common.settings import RunSettings


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
        If a file is damaged, or lacks an image or label column.
    """
    try:
        import pyarrow as pa  # noqa: PLC0415
        import pyarrow.parquet as pq  # noqa: PLC0415
    except ImportError:
        raise DataError(
            f"parquet {folder}: expected pyarrow to be installed; install the project with its "
            f"simulation extra"
        ) from None
    listing = listed(folder)
    paths = listing.paths
    where = f"parquet {folder}"
    parts, counts, notes = [], [], list[str]()
    for path in paths:
        try:
            schema = pq.read_schema(path)
            chosen = columns.choose(schema, f"parquet {path}", wanted)
            notes += chosen.notes
            column = pq.ParquetFile(path).read([chosen.label], use_threads=False).column(0)
        except (OSError, pa.ArrowException) as error:
            raise DataError(f"parquet {path}: cannot be read: {error}") from None
        parts.append(columns.checked_labels(column, f"parquet {path}"))
        counts.append(len(column))
    labels = torch.cat(parts)
    names = columns.class_names(pq.read_schema(paths[0]), chosen.label, labels, where)
    numbering = Numbering.of(wanted) if chosen.texts and wanted else None
    return Collection(
        labels,
        names,
        texts_read(partial(_texts, paths, counts, chosen.texts), numbering, where)
        if numbering
        else partial(_read_rows, paths, counts, chosen.image, channels),
        left_out=listing.left_out,
        total=listing.total,
        files=paths,
        notes=tuple(f"parquet: {note}" for note in dict.fromkeys(notes)),
        numbering=numbering,
    )


def _texts(paths: list[Path], counts: list[int], names: tuple[str, ...], rows: Tensor) -> list[str]:
    """Read the texts of ascending rows of all files together, columns one after another."""
    found: list[str] = []
    start = 0
    for path, count in zip(paths, counts, strict=True):
        cells = _file_rows(path, names, _within(rows, start, count))
        found += [" ".join(text or "" for text in row) for row in cells]
        start += count
    return found


def _read_rows(
    paths: list[Path],
    counts: list[int],
    image: str,
    channels: int,
    rows: Tensor,
    image_size: int,
) -> Reading:
    probed = _file_cells(paths[0], image, torch.arange(min(columns.PROBED_ROWS, counts[0])))
    num_channels = channels or columns.channels(probed, f"parquet {paths[0]}")
    where = f"parquet {paths[0].parent}"
    encoded = cells(paths, counts, image, rows)
    inputs = columns.decode(encoded, rows, num_channels, image_size, where)
    return Reading(inputs, torch.arange(len(rows)))


def cells(paths: list[Path], counts: list[int], image: str, rows: Tensor) -> list[Cell]:
    """Read the encoded images of ascending rows of all files together.

    Parameters
    ----------
    paths : list[Path]
        The files.
    counts : list[int]
        Rows of each.
    image : str
        Column of the images.
    rows : Tensor
        (images,) int64, counted through all files.

    Raises
    ------
    DataError
        If a file is damaged.
    """
    found: list[Cell] = []
    start = 0
    for path, count in zip(paths, counts, strict=True):
        found += _file_cells(path, image, _within(rows, start, count))
        start += count
    return found


def _file_cells(path: Path, image: str, rows: Tensor) -> list[Cell]:
    return columns.as_cells([cell for (cell,) in _file_rows(path, [image], rows)])


def _file_rows(path: Path, names: Sequence[str], rows: Tensor) -> list[tuple[Any, ...]]:
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    found: list[tuple[Any, ...]] = []
    start = 0
    try:
        file = pq.ParquetFile(path)
        for group in range(file.num_row_groups):
            count = file.metadata.row_group(group).num_rows
            own = _within(rows, start, count)
            if len(own):
                table = file.read_row_group(group, columns=list(names), use_threads=False)
                taken = table.take(pa.array(own.numpy()))
                found += zip(*(taken.column(name).to_pylist() for name in names), strict=True)
            start += count
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"parquet {path}: cannot be read: {error}") from None
    return found


def _within(rows: Tensor, start: int, count: int) -> Tensor:
    return rows[(rows >= start) & (rows < start + count)] - start
