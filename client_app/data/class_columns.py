"""What a table's column of labels holds: which rows have one, and what the classes are called."""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from client_app.data.left_out import LeftOut, reasons
from strategies.common.errors import DataError
from strategies.common.transport.ranges import MAX_CLASSES

if TYPE_CHECKING:
    import pyarrow as pa


def checked_labels(column: "pa.ChunkedArray", where: str) -> tuple[Tensor, Tensor]:
    """Return the labels of a column, and the rows that have one.

    Returns
    -------
    tuple[Tensor, Tensor]
        Both (labels,) int64, rows ascending.

    Raises
    ------
    DataError
        If there are no rows, or a label is negative or too large for a class.
    """
    if len(column) == 0:
        raise DataError(f"{where}: expected rows, found none")
    rows = torch.tensor(column.is_valid().to_numpy()).nonzero().flatten()
    if len(rows) == 0:
        return rows, rows
    values = column.drop_null().to_numpy()
    if (lowest := int(values.min())) < 0:
        raise DataError(
            f"{where}: expected labels from 0, got {lowest}; hubs mark unlabelled rows with -1, "
            f"and those cannot be used"
        )
    if (highest := int(values.max())) >= MAX_CLASSES:
        raise DataError(f"{where}: expected labels below {MAX_CLASSES}, got {highest}")
    return torch.tensor(values.astype("int64")), rows


def joined(parts: Sequence[Tensor], left_out: LeftOut, where: str) -> Tensor:
    """Return the labels of all files: (labels,) int64.

    Raises
    ------
    DataError
        If there is none, with what was left out.
    """
    labels = torch.cat(list(parts))
    if len(labels) == 0:
        raise DataError(
            f"{where}: expected rows with a label, found none: {reasons(left_out)}; write the "
            f"labels as integers"
        )
    return labels


def class_names(declared: Sequence[str], labels: Tensor, where: str) -> tuple[str, ...]:
    """Return the names that are declared, or ``"0", "1", ...`` up to the last label.

    Raises
    ------
    DataError
        If a label is beyond the names.
    """
    highest = int(labels.max())
    names = tuple(declared) or tuple(str(k) for k in range(highest + 1))
    if highest >= len(names):
        raise DataError(f"{where}: expected labels below {len(names)}, got {highest}")
    return names


def agreed_names(files: Sequence[tuple[str, "pa.Schema"]], column: str, where: str) -> list[str]:
    """Return the names that files declare, of which some may declare none.

    Parameters
    ----------
    files : Sequence[tuple[str, pa.Schema]]
        Name and columns of each.
    column : str
        That of the labels.
    where : str
        For messages.

    Raises
    ------
    DataError
        If two of them declare others, or in another order: a number would be two classes.
    """
    found = [(file, names) for file, s in files if (names := declared_names(s, column))]
    for file, names in found[1:]:
        if names != found[0][1]:
            raise DataError(
                f"{where}: expected the same names of classes in the same order in all files, got "
                f"{len(found[0][1])} in {found[0][0]} and others, or in another order, in {file} "
                f"({len(names)}): number the labels of both alike, and name them alike in the "
                f"metadata of column {column}"
            )
    return list(found[0][1]) if found else []


def declared_names(schema: "pa.Schema", column: str) -> tuple[str, ...]:
    """Return what the numbers of a column, or of its lists, stand for; empty if nothing says so."""
    metadata = (schema.metadata or {}).get(b"huggingface", b"{}")
    try:
        feature = json.loads(metadata)["info"]["features"][column]
        if isinstance(feature, list):
            (feature,) = feature
        names = feature.get("feature", feature)["names"]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        # The metadata are a courtesy of whoever wrote the file.
        return ()
    return tuple(str(name) for name in names) if isinstance(names, list) else ()
