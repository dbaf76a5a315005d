"""Tables of questions in the hub's layout: a folder of parquet files, or a name on the hub.

Train and test are merged, as for every table, so that each client's share can be split
again. Only the columns of questions and answers are read before pictures are asked for.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from client_app.data import class_columns, columns, hub, left_out, parquet, parquet_rows
from client_app.data.collection import Reading
from client_app.data.image_cells import Cell
from client_app.data.vqa import entry, pictures
from client_app.data.vqa.asked import Asked, gather
from client_app.data.vqa.entry import Entry, Fields
from client_app.data.vqa.pictures import Picture
from strategies.common.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

# Encoded pictures that are held at once while all of a table are looked at.
_AT_ONCE = 1024

EXPECTED = (
    f"a column of questions as text ({', '.join(entry.QUESTIONS)}), and one of answers "
    f"({', '.join(entry.ANSWERS)}) as text, numbers, categories, or lists of these or of structs "
    f"with a field answer; correct_choice_idx needs choices, and label as a number names of "
    f"categories"
)
CONVERTED = (
    "other names, and pictures in files of their own, are for python -m "
    "client_app.data.vqa.convert --questions FILE --images DIR --out DIR --columns "
    "question=NAME,answer=NAME,image=NAME"
)


def choose(schema: "pa.Schema", where: str) -> Fields:
    """Find the column of images and those of questions, answers and choices.

    Raises
    ------
    DataError
        With the columns that were found, and those that were expected.
    """
    try:
        image = columns.image_column(schema, where)
    except DataError as error:
        raise DataError(f"{error}; {CONVERTED}") from None
    kinds = {field.name: field.type for field in schema if field.name != image}
    texts = [name for name, kind in kinds.items() if _is_text(kind)]
    question = entry.first(texts, entry.QUESTIONS)
    listed = [name for name, kind in kinds.items() if _is_list(kind)]
    choices = entry.first(listed, entry.CHOICES)
    answer = _answer({n: k for n, k in kinds.items() if n != question}, schema, choices)
    if not question or not answer:
        raise DataError(
            f"{where}: expected {EXPECTED}; found {columns.described(schema)}; {CONVERTED}"
        )
    return Fields(image, question, answer, choices, class_columns.declared_names(schema, answer))


def _answer(kinds: Mapping[str, "pa.DataType"], schema: "pa.Schema", choices: str) -> str:
    """Return the column of answers: words before numbers, and categories last."""

    def fits(name: str, kind: "pa.DataType") -> bool:
        small = name.lower()
        if small == entry.CHOICE and not choices:
            return False
        if small in entry.CATEGORIES and not _is_answer(kind, _is_text):
            named = bool(choices or class_columns.declared_names(schema, name))
            return named and _is_answer(kind, _is_number)
        return _is_answer(kind, lambda inner: _is_text(inner) or _is_number(inner))

    fitting = {name: kind for name, kind in kinds.items() if fits(name, kind)}
    said = (*entry.LISTS, *entry.SINGLE)
    words = [name for name, kind in fitting.items() if _is_answer(kind, _is_text)]
    return entry.first(words, said) or entry.first(fitting, entry.ANSWERS)


def _told(schema: "pa.Schema", chosen: Fields, where: str) -> list[str]:
    """Say which columns are read where others might have been meant."""
    texts = [field.name for field in schema if _is_text(field.type)]
    asking = [name for name in texts if name.lower() in entry.QUESTIONS]
    notes = (
        columns.told("pictures", chosen.picture, columns.image_columns(schema)),
        columns.told("questions", chosen.question, asking),
    )
    return [f"{where}: {note}" for note in filter(None, notes)]


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
    entries: list[Entry] = []
    counts, told = [], list[str]()
    where = f"parquet {folder}"
    for path in paths:
        try:
            schema = pq.read_schema(path)
            chosen = choose(schema, f"parquet {path}")
            table = pq.ParquetFile(path).read(_wanted(chosen), use_threads=False)
        except (OSError, pa.ArrowException) as error:
            raise DataError(f"parquet {path}: cannot be read: {error}") from None
        entries += _entries(table, chosen, len(entries))
        counts.append(len(table))
        told += _told(schema, chosen, where)
    cells = partial(parquet_rows.cells, paths, counts, chosen.picture)
    notes = left_out.told(where, listing.left_out, listing.total)
    return _gather(entries, cells, where, (*notes, *dict.fromkeys(told)))


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
    table = merged.select_columns(_wanted(chosen)).with_format("arrow")[:]
    encoded = merged.select_columns([chosen.picture]).with_format("arrow")
    told = (*notes, *_told(merged.features.arrow_schema, chosen, where))
    return _gather(_entries(table, chosen, 0), partial(hub.cells, encoded), where, told)


def _wanted(chosen: Fields) -> list[str]:
    return [name for name in (chosen.question, chosen.answer, chosen.choices) if name]


def _entries(table: "pa.Table", chosen: Fields, start: int) -> list[Entry]:
    wanted = _wanted(chosen)
    rows = zip(*(table.column(name).to_pylist() for name in wanted), strict=True)
    return [
        entry.entry(dict(zip(wanted, row, strict=True)), chosen, f"row {number}")
        for number, row in enumerate(rows, start=start)
    ]


def _gather(
    entries: Sequence[Entry],
    cells: Callable[[Tensor], list[Cell]],
    where: str,
    notes: tuple[str, ...] = (),
) -> Asked:
    if not entries:
        raise DataError(f"{where}: expected rows, found none")

    shown: dict[int, str] = {}

    def named(rows: Tensor) -> list[Picture]:
        contents = [(cell or {}).get("bytes") for cell in cells(rows)]
        return [
            # A path inside a downloaded table is not followed: it could name any local file.
            (f"row {row}", content if isinstance(content, bytes) else None)
            for row, content in zip(rows.tolist(), contents, strict=True)
        ]

    def read(rows: Tensor, image_size: int) -> Reading:
        return pictures.read(named(rows), image_size, where)

    def digests(rows: Tensor) -> list[str]:
        """Tell what is shown, some rows at a time: a table may hold more than memory does."""
        unknown = rows[[row not in shown for row in rows.tolist()]]
        every = (picture for part in torch.split(unknown, _AT_ONCE) for picture in named(part))
        shown.update(zip(unknown.tolist(), pictures.digests(every), strict=True))
        return [shown[row] for row in rows.tolist()]

    found = gather(entries, read, where, digests)
    return replace(found, notes=found.notes + notes)


def _is_text(kind: "pa.DataType") -> bool:
    import pyarrow as pa  # noqa: PLC0415

    types = pa.types
    return bool(types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind))


def _is_number(kind: "pa.DataType") -> bool:
    import pyarrow as pa  # noqa: PLC0415

    types = pa.types
    return bool(types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind))


def _is_list(kind: "pa.DataType") -> bool:
    import pyarrow as pa  # noqa: PLC0415

    types = pa.types
    return bool(types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind))


def _is_answer(kind: "pa.DataType", fits: Callable[["pa.DataType"], bool]) -> bool:
    """Tell whether a column holds what fits, alone, as categories, in lists or in structs."""
    import pyarrow as pa  # noqa: PLC0415

    inner = kind.value_type if _is_list(kind) else kind
    if pa.types.is_struct(inner):
        position = inner.get_field_index("answer")
        return position >= 0 and fits(inner.field(position).type)
    return fits(inner.value_type if pa.types.is_dictionary(inner) else inner)
