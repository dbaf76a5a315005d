"""Encoded images in cells of a table: what of them is read, and which cannot be."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import torch
from torch import Tensor

from client_app.data import images
from client_app.data.collection import Reading
from client_app.data.left_out import reasons
from strategies.common.errors import DataError

# All clients must agree on grey or colour, so they all look at the first rows.
PROBED_ROWS = 16
# What a row is left out for; it reads on from a number.
NO_IMAGE: Final = "without an image in the table"

Cell = Mapping[str, bytes | str | None]


def as_cells(values: Sequence[Cell | bytes | None]) -> list[Cell]:
    """Return image cells of either form as structs."""
    return [
        value if isinstance(value, Mapping) else {"bytes": value, "path": None} for value in values
    ]


def channels(batches: Iterable[Sequence[Cell]], where: str) -> int:
    """Return 1 if the first images of a table that can be decoded are all grey, else 3.

    Parameters
    ----------
    batches : Iterable[Sequence[Cell]]
        A table's cells, so many at a time; others are asked for where none can be decoded.
    where : str
        For messages.

    Raises
    ------
    DataError
        If no image can be decoded.
    """
    failed: dict[str, list[str]] = {}
    row = 0
    for cells in batches:
        found = []
        for cell in cells:
            image = _decoded(cell, None, f"row {row}", failed)
            found += [] if image is None else [image.shape[0]]
            row += 1
        if found:
            return max(found)
    raise _none_read(where, row, failed)


def read(
    cells: Sequence[Cell], names: Sequence[str], num_channels: int, image_size: int, where: str
) -> Reading:
    """Decode the image cells of some rows; those that cannot be are left out and counted.

    Parameters
    ----------
    cells : Sequence[Cell]
        One of each row.
    names : Sequence[str]
        Of the rows, for people.
    num_channels : int
        1 for grey, 3 for colour.
    image_size : int
        Side to which all are resized; 0 keeps their size.
    where : str
        For messages.

    Raises
    ------
    DataError
        If none can be decoded, or their sizes differ.
    """
    decoded, kept = list[Tensor](), list[int]()
    failed: dict[str, list[str]] = {}
    for place, (cell, name) in enumerate(zip(cells, names, strict=True)):
        image = _decoded(cell, num_channels, name, failed)
        if image is not None:
            decoded.append(images.resize(image.unsqueeze(0), image_size)[0])
            kept.append(place)
    if not decoded:
        raise _none_read(where, len(cells), failed)
    return Reading(images.stack(decoded, where), torch.tensor(kept), left_out=failed)


def _decoded(
    cell: Cell, num_channels: int | None, name: str, failed: dict[str, list[str]]
) -> Tensor | None:
    """Return one image; ``None`` for one that cannot be decoded, whose row is noted."""
    contents = cell.get("bytes")
    if not isinstance(contents, bytes):
        # A path inside a downloaded table is not followed: it could name any local file.
        failed.setdefault(NO_IMAGE, []).append(name)
        return None
    try:
        return images.decode(contents, num_channels)
    except DataError as error:
        failed.setdefault(images.reason(error), []).append(name)
        return None


def _none_read(where: str, count: int, failed: Mapping[str, Sequence[str]]) -> DataError:
    return DataError(
        f"{where}: none of {count} images could be read: {reasons(failed) or 'there are no rows'}; "
        f"write the contents of image files into the table, of 8 bits per channel"
    )
