"""Files of questions in the layouts of the field, row by row: JSON, JSON lines, CSV and parquet."""

import csv
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import final

from client_app.data import class_columns
from client_app.data.vqa import metadata
from strategies.common.errors import DataError

SUFFIXES = (".json", ".jsonl", ".csv", ".tsv", ".parquet")
QUESTION_IDS = ("question_id", "questionid", "qid", "id")

# Where a JSON document keeps its rows: VQAv2's two files, and what others do.
_LISTS = ("questions", "annotations", "data", "rows", "samples")
_BATCH = 256

# Values by field; none for what is no object.
Row = dict[str, object] | None


@final
@dataclass(frozen=True)
class Rows:
    """What a file holds.

    Attributes
    ----------
    rows : Iterator[tuple[str, Row]]
        Where each row stands, and the row.
    categories : Mapping[str, tuple[str, ...]]
        What the numbers of a field stand for, where the file says so.
    """

    rows: Iterator[tuple[str, Row]]
    categories: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def read(path: Path) -> Rows:
    """Open a file by the end of its name.

    Raises
    ------
    DataError
        If it is of no kind that is read, or cannot be read.
    """
    suffix = path.suffix.lower()
    if not path.is_file() or suffix not in SUFFIXES:
        found = f"one that ends in {suffix or 'nothing'}" if path.is_file() else "none"
        raise DataError(
            f"{path}: expected a file that ends in {', '.join(SUFFIXES)}, found {found}"
        )
    if suffix == ".parquet":
        return _parquet(path)
    if suffix == ".jsonl":
        return Rows(iter(metadata.lines(path)))
    try:
        if suffix == ".json":
            return Rows(_places(_listed(json.loads(path.read_bytes()), path)))
        return Rows(iter(_separated(path, "\t" if suffix == ".tsv" else ",")))
    except (OSError, ValueError, RecursionError, csv.Error) as error:
        raise DataError(f"{path}: cannot be read as {suffix[1:]}: {error}") from None


def _listed(document: object, path: Path) -> list[object]:
    """Return the rows of a JSON document: itself, one of its lists, or its values by identifier."""
    if isinstance(document, list):
        return document
    if isinstance(document, dict):
        for name in _LISTS:
            if isinstance(document.get(name), list):
                found: list[object] = document[name]
                return found
        values = list(document.items())
        if values and all(isinstance(value, dict) for _, value in values):
            return [{QUESTION_IDS[0]: name, **value} for name, value in values]
    keys = ", ".join(document)[:200] if isinstance(document, dict) else type(document).__name__
    raise DataError(
        f"{path}: expected a list of questions, an object with such a list under "
        f"{', '.join(_LISTS)}, or one with an object per question; found {keys}"
    )


def _places(rows: list[object]) -> Iterator[tuple[str, Row]]:
    for number, row in enumerate(rows):
        yield f"row {number}", row if isinstance(row, dict) else None


def _separated(path: Path, separator: str) -> list[tuple[str, Row]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file, delimiter=separator, restkey="", restval=None)
        return [(f"line {reader.line_num}", dict(row)) for row in reader]


def _parquet(path: Path) -> Rows:
    try:
        import pyarrow as pa  # noqa: PLC0415
        import pyarrow.parquet as pq  # noqa: PLC0415
    except ImportError:
        raise DataError(
            f"{path}: expected pyarrow to be installed; install the project with its simulation "
            f"extra"
        ) from None
    try:
        file = pq.ParquetFile(path)
        schema = file.schema_arrow
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"{path}: cannot be read: {error}") from None

    def rows() -> Iterator[tuple[str, Row]]:
        number = 0
        try:
            for batch in file.iter_batches(_BATCH, use_threads=False):
                for row in batch.to_pylist():
                    yield f"row {number}", row
                    number += 1
        except (OSError, pa.ArrowException) as error:
            raise DataError(f"{path}: cannot be read: {error}") from None

    declared = {name: class_columns.declared_names(schema, name) for name in schema.names}
    return Rows(rows(), {name: names for name, names in declared.items() if names})
