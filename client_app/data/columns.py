"""Tables in the hub's layout: which column is the image or the text, which the label.

Such a table has a column of encoded image files, each a struct {bytes, path} or plain bytes, or
columns of text, and an integer column of labels; the names of the classes stand in the schema's
metadata.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

import torch
from torch import Tensor

from client_app.data import images
from strategies.common.errors import DataError
from strategies.common.settings import RunSettings
from strategies.common.transport.ranges import MAX_CLASSES

if TYPE_CHECKING:
    import pyarrow as pa

# Tried in this order; fine labels before coarse ones, as CIFAR-100 has both.
LABEL_NAMES = ("label", "labels", "fine_label", "target", "class", "digit", "character")

# What columns of plain bytes are called where they are images and others are there.
IMAGE_NAMES = ("image", "img", "picture", "photo", "image_bytes", "bytes", "jpg", "jpeg", "png")

# All clients must agree on grey or colour, so they all look at the first rows.
PROBED_ROWS = 16

Cell = Mapping[str, bytes | str | None]


@final
@dataclass(frozen=True)
class Columns:
    """Names of the two columns that matter.

    Attributes
    ----------
    image, label : str
        What is read; no image where there are texts.
    texts : tuple[str, ...]
        Columns of text, where there is no image.
    notes : tuple[str, ...]
        Which others might have been meant.
    """

    image: str
    label: str
    texts: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def choose(schema: "pa.Schema", where: str, wanted: RunSettings | None = None) -> Columns:
    """Find the first image column, or all columns of text without one, and the label column.

    Parameters
    ----------
    schema : pa.Schema
        Of the table.
    where : str
        For messages.
    wanted : RunSettings | None
        Which columns are asked for by name; ``None`` finds them.

    Raises
    ------
    DataError
        With the columns that were found.
    """
    import pyarrow as pa  # noqa: PLC0415

    texts = _text_columns(schema, wanted.named_inputs, where) if wanted else ()
    image = "" if texts else image_column(schema, where)
    integers = [f.name for f in schema if pa.types.is_integer(f.type)]
    known = [name for name in LABEL_NAMES if name in integers]
    if not known and len(integers) != 1:
        raise DataError(
            f"{where}: expected a column of integer labels named {', '.join(LABEL_NAMES)}, or one "
            f"integer column only; found {described(schema)}"
        )
    label = (known or integers)[0]
    if wanted and wanted.label_column:
        label = wanted.label_column
        if label not in integers:
            raise DataError(
                f"{where}: setting label-column: expected one of the columns of integers, "
                f"{', '.join(integers)}, got {label!r}"
            )
    notes = (
        told("images", image, image_columns(schema)) if image else "",
        told("labels", label, known),
    )
    return Columns(image, label, texts, tuple(filter(None, notes)))


def _text_columns(schema: "pa.Schema", asked: Sequence[str], where: str) -> tuple[str, ...]:
    """Return the columns of text that are asked for; all, where there is no image."""
    import pyarrow as pa  # noqa: PLC0415

    texts = [
        str(field.name)
        for field in schema
        if pa.types.is_string(field.type) or pa.types.is_large_string(field.type)
    ]
    if strange := [name for name in asked if name not in texts]:
        raise DataError(
            f"{where}: setting input-columns: expected columns of text, "
            f"{', '.join(texts) or 'of which there are none'}, got {', '.join(strange)}; found "
            f"{described(schema)}"
        )
    return tuple(asked or ([] if image_columns(schema) else texts))


def told(what: str, chosen: str, possible: Sequence[str]) -> str:
    """Say which column was taken, where others might have been meant; else nothing."""
    others = [name for name in possible if name != chosen]
    if not others:
        return ""
    are = "is" if len(others) == 1 else "are"
    return f"{what} are column {chosen}; {', '.join(others)} {are} there too, and not read"


def image_column(schema: "pa.Schema", where: str) -> str:
    """Find the first column of structs with bytes, else one of plain bytes.

    The latter is named as images are, or the only one.

    Raises
    ------
    DataError
        With the columns that were found.
    """
    if found := image_columns(schema):
        return found[0]
    raise DataError(
        f"{where}: expected an image column with bytes and path, e.g. img or image, or one of "
        f"plain bytes: named {', '.join(IMAGE_NAMES)}, or the only one; or columns of text; found "
        f"{described(schema)}"
    )


def image_columns(schema: "pa.Schema") -> list[str]:
    """Return every column that may hold images, the one that is read first."""
    import pyarrow as pa  # noqa: PLC0415

    structs = [
        str(field.name)
        for field in schema
        if pa.types.is_struct(field.type) and "bytes" in _parts(field.type)
    ]
    plain = [str(field.name) for field in schema if _is_binary(field.type)]
    named = [name for name in plain if name.lower() in IMAGE_NAMES]
    return [*structs, *(named or (plain if len(plain) == 1 and not structs else []))]


def as_cells(values: Sequence[Cell | bytes | None]) -> list[Cell]:
    """Return image cells of either form as structs."""
    return [
        value if isinstance(value, Mapping) else {"bytes": value, "path": None} for value in values
    ]


def described(schema: "pa.Schema") -> str:
    """List a table's columns with their types, for messages."""
    return ", ".join(f"{field.name} ({field.type})" for field in schema)


def checked_labels(column: "pa.ChunkedArray", where: str) -> Tensor:
    """Return a label column as (rows,) int64.

    Raises
    ------
    DataError
        If there are no rows, or a label is missing, negative or too large for a class.
    """
    if len(column) == 0:
        raise DataError(f"{where}: expected rows, found none")
    if column.null_count:
        raise DataError(f"{where}: expected a label in every row, {column.null_count} have none")
    values = column.to_numpy()
    if (lowest := int(values.min())) < 0:
        raise DataError(
            f"{where}: expected labels from 0, got {lowest}; hubs mark unlabelled rows with -1, "
            f"and those cannot be used"
        )
    if (highest := int(values.max())) >= MAX_CLASSES:
        raise DataError(f"{where}: expected labels below {MAX_CLASSES}, got {highest}")
    return torch.tensor(values.astype("int64"))


def class_names(schema: "pa.Schema", label: str, labels: Tensor, where: str) -> tuple[str, ...]:
    """Return the names in the schema's metadata, or ``"0", "1", ...`` up to the last label.

    Raises
    ------
    DataError
        If a label is beyond the names.
    """
    highest = int(labels.max())
    names = declared_names(schema, label) or tuple(str(k) for k in range(highest + 1))
    if highest >= len(names):
        raise DataError(f"{where}: expected labels below {len(names)}, got {highest}")
    return names


def declared_names(schema: "pa.Schema", column: str) -> tuple[str, ...]:
    """Return what the numbers of a column, or of its lists, stand for; empty if nothing says so."""
    metadata = (schema.metadata or {}).get(b"huggingface", b"{}")
    try:
        feature = json.loads(metadata)["info"]["features"][column]
        if isinstance(feature, list):
            (feature,) = feature
        names = feature.get("feature", feature)["names"]
    except (ValueError, KeyError, TypeError, AttributeError):
        # The metadata are a courtesy of whoever wrote the file.
        return ()
    return tuple(str(name) for name in names) if isinstance(names, list) else ()


def channels(cells: Sequence[Cell], where: str) -> int:
    """Return 1 if a table's first images are all grey, else 3."""
    decoded = [_decode(cell, None, f"{where}, row {row}") for row, cell in enumerate(cells)]
    return max(image.shape[0] for image in decoded)


def decode(
    cells: Sequence[Cell], rows: Tensor, num_channels: int, image_size: int, where: str
) -> Tensor:
    """Decode the image cells of some rows: (rows, channels, height, width) uint8.

    Raises
    ------
    DataError
        Naming the row of an image that cannot be decoded.
    """
    decoded = []
    for row, cell in zip(rows.tolist(), cells, strict=True):
        image = _decode(cell, num_channels, f"{where}, row {row}")
        decoded.append(images.resize(image.unsqueeze(0), image_size)[0])
    return images.stack(decoded, where)


def _decode(cell: Cell | None, num_channels: int | None, where: str) -> Tensor:
    contents = (cell or {}).get("bytes")
    try:
        if not isinstance(contents, bytes):
            # A path inside a downloaded table is not followed: it could name any local file.
            raise DataError("expected the image's bytes in the table, got none")
        return images.decode(contents, num_channels)
    except DataError as error:
        raise DataError(f"{where}: the image cannot be read: {error}") from None


def _parts(struct: "pa.StructType") -> list[str]:
    return [struct.field(index).name for index in range(struct.num_fields)]


def _is_binary(kind: "pa.DataType") -> bool:
    import pyarrow as pa  # noqa: PLC0415

    types = pa.types
    return bool(types.is_binary(kind) or types.is_large_binary(kind) or types.is_binary_view(kind))
