"""Unlabelled square colour images from any of the data sources."""

from pathlib import Path

import torch
from torch import Tensor

from client_app.data import folder, images, parquet, pfllib, sources
from client_app.data.collection import Collection
from strategies.common.errors import DataError


def read_unlabelled(data: str, side: int) -> Tensor:
    """Read all images of a source, whoever they belong to.

    Parameters
    ----------
    data : str
        A source as in the setting ``data``: ``parquet:DIR``, ``folder:DIR`` or
        ``pfllib:DIR``.
    side : int
        Height and width in pixels.

    Returns
    -------
    Tensor
        (images, 3, side, side) uint8; grey images have three equal channels.

    Raises
    ------
    DataError
        If the source cannot be read, or holds no images.
    """
    source = sources.parse(data)
    if source.kind == "pfllib":
        found = _read_clients(source.folder, side)
    elif source.kind in ("parquet", "folder"):
        read = parquet.read if source.kind == "parquet" else folder.read
        found = _read_all(read(source.folder), side)
    else:
        raise DataError(f"pretraining: expected parquet:, folder: or pfllib:, got {data!r}")
    if found.shape[1] not in (1, 3):
        raise DataError(f"{data}: expected images of 1 or 3 channels, got {found.shape[1]}")
    return found.expand(-1, 3, -1, -1)


def _read_all(collection: Collection, side: int) -> Tensor:
    return collection.read(torch.arange(len(collection.labels)), side).inputs


def _read_clients(place: Path, side: int) -> Tensor:
    """Put the clients' images below each other; floats are brought back to bytes."""
    parts = []
    for path in sorted((place / "train").glob("*.npz")):
        for samples in pfllib.read(place, int(path.stem)):
            inputs = samples.inputs
            if inputs.dtype != torch.uint8:
                low, high = float(inputs.min()), float(inputs.max())
                if low < -1 or high > 1:
                    raise DataError(f"{path}: expected floats in [-1, 1], got [{low}, {high}]")
                inputs = inputs.add(1).mul(127.5).round().to(torch.uint8)
            parts.append(images.resize(inputs, side))
    return torch.cat(parts)
