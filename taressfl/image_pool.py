"""All images of a data source in one pool, whoever they belong to.

For what is trained or measured at the server itself, before and beside a federation.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import final

import torch
from torch import Tensor

from client_app.data import digits, folder, hub, images, parquet, pfllib, sources
from client_app.data.collection import Collection
from client_app.data.sources import Source
from strategies.common.errors import DataError
from strategies.common.samples import Samples
from strategies.common.split.augment import LUMA

_READERS: Mapping[str, Callable[[Source], Collection]] = MappingProxyType(
    {
        "digits": lambda _: digits.read(),
        "parquet": lambda source: parquet.read(source.folder),
        "folder": lambda source: folder.read(source.folder),
        "hub": lambda source: hub.read(source.place),
    }
)
_GREY, _COLOUR = 1, 3


@final
@dataclass(frozen=True)
class ImagePool:
    """Images that are read on demand.

    Attributes
    ----------
    source : str
        The setting ``data`` that names them.
    count : int
        Images in all.
    num_classes : int
        Classes of their labels.
    """

    source: str
    count: int
    num_classes: int
    _read: Callable[[Tensor, int], Samples]

    def read(self, rows: Tensor, side: int, channels: int) -> Samples:
        """Read some images.

        Parameters
        ----------
        rows : Tensor
            (rows,) int64, at least one, in any order; the result is in ascending order, and
            without images that turn out to be damaged.
        side : int
            Height and width in pixels to resize to; 0 keeps the size.
        channels : int
            1 for grey, 3 for colour; 0 keeps what there is.

        Returns
        -------
        Samples
            (samples, channels, height, width) uint8 with their labels.

        Raises
        ------
        DataError
            If the images cannot be read, or have neither one nor three channels.
        """
        samples = self._read(rows.sort().values, side)
        return Samples(_coloured(samples.inputs, channels, self.source), samples.labels)


def open_pool(spec: str) -> ImagePool:
    """Open a data source; images of a collection are not yet read.

    Raises
    ------
    SettingsError
        If the source is unknown.
    DataError
        If it cannot be read.
    """
    source = sources.parse(spec)
    if source.kind == "pfllib":
        return _published(spec, source)
    collection = _READERS[source.kind](source)

    def read(rows: Tensor, side: int) -> Samples:
        reading = collection.read(rows, side)
        return Samples(reading.inputs, collection.labels[rows[reading.kept]])

    return ImagePool(spec, len(collection.labels), len(collection.class_names), read)


def _published(spec: str, source: Source) -> ImagePool:
    """Put the clients' samples below each other; floats are brought back to bytes."""
    numbers = {int(path.stem) for path in pfllib.files(source.folder) if path.stem.isdigit()}
    parts = [part for number in sorted(numbers) for part in pfllib.read(source.folder, number)]
    inputs = torch.cat([_bytes(part.inputs, spec) for part in parts])
    labels = torch.cat([part.labels for part in parts])

    def read(rows: Tensor, side: int) -> Samples:
        return Samples(images.resize(inputs[rows], side), labels[rows])

    return ImagePool(spec, len(labels), int(labels.max()) + 1, read)


def _bytes(inputs: Tensor, where: str) -> Tensor:
    if inputs.dtype == torch.uint8:
        return inputs
    low, high = float(inputs.min()), float(inputs.max())
    if low < -1 or high > 1:
        raise DataError(
            f"{where}: expected images, as bytes or scaled to [-1, 1], got values from {low:.3g} "
            f"to {high:.3g}; name a source of images"
        )
    return inputs.add(1).mul(127.5).round().to(torch.uint8)


def _coloured(inputs: Tensor, channels: int, where: str) -> Tensor:
    found = inputs.shape[1]
    if found not in (_GREY, _COLOUR):
        raise DataError(f"{where}: expected images of 1 or 3 channels, got {found}")
    if channels in (0, found):
        return inputs
    if found == _GREY:
        return inputs.expand(-1, channels, -1, -1).contiguous()
    weights = torch.tensor(LUMA).view(1, _COLOUR, 1, 1)
    return (inputs * weights).sum(1, keepdim=True).round().clamp(0, 255).to(torch.uint8)
