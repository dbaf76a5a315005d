"""Rows of parquet files, counted through all of them: texts, and encoded images."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from client_app.data import image_cells
from client_app.data.image_cells import Cell
from client_app.data.telling_columns import AT_ONCE
from strategies.common.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa


def texts(
    paths: Sequence[Path], counts: Sequence[int], names: Sequence[str], rows: Tensor
) -> list[str]:
    """Read the texts of ascending rows of all files together, columns one after another.

    Parameters
    ----------
    paths : Sequence[Path]
        The files.
    counts : Sequence[int]
        Rows of each.
    names : Sequence[str]
        Columns of text.
    rows : Tensor
        (texts,) int64, counted through all files.

    Raises
    ------
    DataError
        If a file is damaged.
    """
    found = _every_files_rows(paths, counts, names, rows)
    return [" ".join(text or "" for text in row) for row in found]


def cells(paths: Sequence[Path], counts: Sequence[int], image: str, rows: Tensor) -> list[Cell]:
    """Read the encoded images of ascending rows of all files together.

    Parameters
    ----------
    paths, counts
        As of :func:`texts`.
    image : str
        Column of the images.
    rows : Tensor
        (images,) int64, counted through all files.

    Raises
    ------
    DataError
        If a file is damaged.
    """
    found = _every_files_rows(paths, counts, [image], rows)
    return image_cells.as_cells([cell for (cell,) in found])


def first_cells(path: Path, image: str, count: int) -> Iterator[list[Cell]]:
    """Yield the encoded images of a file, so many at a time as tell grey from colour."""
    for start in range(0, count, image_cells.PROBED_ROWS):
        rows = torch.arange(start, min(start + image_cells.PROBED_ROWS, count))
        yield cells([path], [count], image, rows)


def batches(paths: Sequence[Path], names: Sequence[str]) -> Iterator["pa.RecordBatch"]:
    """Yield some columns of all files, some rows at a time.

    Raises
    ------
    DataError
        If a file is damaged.
    """
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    for path in paths:
        try:
            file = pq.ParquetFile(path)
            yield from file.iter_batches(AT_ONCE, columns=list(names), use_threads=False)
        except (OSError, pa.ArrowException) as error:
            raise DataError(f"parquet {path}: cannot be read: {error}") from None


def _every_files_rows(
    paths: Sequence[Path], counts: Sequence[int], names: Sequence[str], rows: Tensor
) -> Iterator[tuple[Any, ...]]:
    start = 0
    for path, count in zip(paths, counts, strict=True):
        yield from _file_rows(path, names, _within(rows, start, count))
        start += count


def _file_rows(path: Path, names: Sequence[str], rows: Tensor) -> list[tuple[Any, ...]]:
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    found: list[tuple[Any, ...]] = []
    start = 0
    try:
        file = pq.ParquetFile(path)
        if lacking := [name for name in names if name not in file.schema_arrow.names]:
            raise DataError(
                f"parquet {path}: expected column {', '.join(lacking)} as in the other files, "
                f"found {', '.join(file.schema_arrow.names)}; rename them alike"
            )
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
