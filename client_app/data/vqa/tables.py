"""Tables of questions in the hub's layout: a folder of parquet files, or a name on the hub.

Train and test are merged, as for every table, so that each client's share can be split
again. Only the columns of questions and answers are read before pictures are asked for.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, final

from torch import Tensor

from client_app.data import columns, hub, left_out, parquet
from client_app.data.collection import Reading
from client_app.data.columns import Cell
from client_app.data.vqa import pictures
from client_app.data.vqa.asked import Asked, gather
from strategies.common.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

QUESTION = "question"

# Tried in this order: what all annotators said, before what was made of it.
ANSWER_NAMES = ("answers", "answer")

# One annotator's answer, alone or with more about it.
Given = str | dict[str, object] | None


@final
@dataclass(frozen=True)
class Columns:
    """Names of the three columns that matter."""

    image: str
    question: str
    answer: str


def choose(schema: "pa.Schema", where: str) -> Columns:
    """Find the first image column and the columns of questions and answers.

    Answers are text, lists of text, or lists of structs with a field ``answer``.

    Raises
    ------
    DataError
        With the columns that were found.
    """
    image = columns.image_column(schema, where)
    types = {field.name: field.type for field in schema}
    asks = QUESTION in types and _is_text(types[QUESTION])
    answers = [name for name in ANSWER_NAMES if name in types and _is_answer(types[name])]
    if not asks or not answers:
        raise DataError(
            f"{where}: expected a column {QUESTION} of text, and {' or '.join(ANSWER_NAMES)} of "
            f"text, of lists of text or of lists of structs with a field answer; found "
            f"{columns.described(schema)}"
        )
    return Columns(image, QUESTION, answers[0])


def from_parquet(folder: Path) -> Asked:
    """Read the questions of a folder of parquet files.

    Raises
    ------
    DataError
        If a file is damaged, or lacks one of the columns.
    """
    try:
        import pyarrow as pa  # noqa: PLC0415
        import pyarrow.parquet as pq  # noqa: PLC0415
    except ImportError:
        raise DataError(
            f"parquet {folder}: expected pyarrow to be installed; install the project with its "
            f"simulation extra"
        ) from None
    listing = parquet.listed(folder)
    paths = listing.paths
    asked: list[str | None] = []
    answered: list[Given | list[Given]] = []
    counts = []
    for path in paths:
        try:
            chosen = choose(pq.read_schema(path), f"parquet {path}")
            wanted = [chosen.question, chosen.answer]
            table = pq.ParquetFile(path).read(wanted, use_threads=False)
        except (OSError, pa.ArrowException) as error:
            raise DataError(f"parquet {path}: cannot be read: {error}") from None
        asked += table.column(chosen.question).to_pylist()
        answered += table.column(chosen.answer).to_pylist()
        counts.append(len(table))
    where = f"parquet {folder}"
    cells = partial(parquet.cells, paths, counts, chosen.image)
    notes = left_out.told(where, listing.left_out, listing.total)
    return _gather(asked, answered, cells, where, notes)


def from_hub(name: str) -> Asked:
    """Load the questions of a data set on the hub.

    Raises
    ------
    DataError
        If it cannot be loaded, or lacks one of the columns.
    """
    where = f"hub {name}"
    merged, notes = hub.load(name)
    chosen = choose(merged.features.arrow_schema, where)
    table = merged.select_columns([chosen.question, chosen.answer]).with_format("arrow")[:]
    encoded = merged.select_columns([chosen.image]).with_format("arrow")
    return _gather(
        table.column(chosen.question).to_pylist(),
        table.column(chosen.answer).to_pylist(),
        partial(hub.cells, encoded),
        where,
        notes,
    )


def _gather(
    asked: Sequence[str | None],
    answered: Sequence[Given | list[Given]],
    cells: Callable[[Tensor], list[Cell]],
    where: str,
    notes: tuple[str, ...] = (),
) -> Asked:
    if not asked:
        raise DataError(f"{where}: expected rows, found none")

    def read(rows: Tensor, image_size: int) -> Reading:
        contents = [(cell or {}).get("bytes") for cell in cells(rows)]
        named = [
            # A path inside a downloaded table is not followed: it could name any local file.
            (f"row {row}", content if isinstance(content, bytes) else None)
            for row, content in zip(rows.tolist(), contents, strict=True)
        ]
        return pictures.read(named, image_size, where)

    questions = [question or "" for question in asked]
    found = gather(questions, [_texts(cell) for cell in answered], read, where)
    return replace(found, notes=found.notes + notes)


def _texts(cell: Given | list[Given]) -> tuple[str, ...]:
    given = cell if isinstance(cell, list) else [cell]
    texts = [each.get("answer") if isinstance(each, dict) else each for each in given]
    return tuple(text if isinstance(text, str) else "" for text in texts)


def _is_text(kind: "pa.DataType") -> bool:
    import pyarrow as pa  # noqa: PLC0415

    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _is_answer(kind: "pa.DataType") -> bool:
    import pyarrow as pa  # noqa: PLC0415

    if not (pa.types.is_list(kind) or pa.types.is_large_list(kind)):
        return _is_text(kind)
    inner = kind.value_type
    if not pa.types.is_struct(inner):
        return _is_text(inner)
    position = inner.get_field_index("answer")
    return position >= 0 and _is_text(inner.field(position).type)
