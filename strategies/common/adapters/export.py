"""Adapters as one file: what a client takes away from a federation, for use without it.

A safetensors file, float32, with the tensors of :meth:`AdapterShape.keys`. A frozen backbone
without its adapters is another network, so the file says which backbone it belongs to.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import final

from pydantic import BaseModel, ConfigDict, ValidationError
from torch import Tensor, cat, float32

from strategies.common import tensor_file
from strategies.common.adapters.adapter_set import AdapterSet, AdapterShape
from strategies.common.errors import ModelError, StoreError

_FORMAT = "bottleneck-adapters-1"
BOTTLENECKS = "adapter.safetensors"


class Exported(ABC):
    """What a client takes away, in the format that belongs to it."""

    @property
    @abstractmethod
    def described(self) -> str:
        """What it is, in words, e.g. ``"one adapter of rank 4 at 12 blocks"``."""

    @abstractmethod
    def write(self, folder: Path, backbone_sha256: str) -> None:
        """Write it into a folder that is there.

        Raises
        ------
        StoreError
            If it cannot be written.
        """


@final
@dataclass(frozen=True)
class ExportedBottlenecks(Exported):
    """Bottleneck adapters, in the format of this module.

    Attributes
    ----------
    adapters : AdapterSet
        One per block.
    """

    adapters: AdapterSet

    @property
    def described(self) -> str:
        """Rank and number of blocks."""
        return f"one adapter of rank {self.adapters.shape.rank} at {len(self.adapters)} blocks"

    def write(self, folder: Path, backbone_sha256: str) -> None:
        """Write one file."""
        write(folder / BOTTLENECKS, self.adapters, backbone_sha256)


@final
class _Description(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    names: tuple[str, ...]
    widths: tuple[int, ...]
    rank: int


def write(path: Path, adapters: AdapterSet, backbone_sha256: str) -> None:
    """Write adapters to a file, whole or not at all.

    Parameters
    ----------
    path : Path
        The file.
    adapters : AdapterSet
        A shared adapter, or a personalised one of :func:`strategies.common.adapters.dual.merged`.
    backbone_sha256 : str
        Of the backbone that they were trained on.

    Raises
    ------
    StoreError
        If the file cannot be written.
    """
    shape = adapters.shape
    described = _Description(names=shape.names, widths=shape.widths, rank=shape.rank)
    tensors = {
        key: parameter.detach().to("cpu", copy=True)
        for (key, _), parameter in zip(shape.keys(), adapters.parameters(), strict=True)
    }
    text = {
        "format": _FORMAT,
        "backbone": backbone_sha256,
        "shape": described.model_dump_json(),
    }
    tensor_file.write(path, tensors, text)


def read(path: Path, backbone_sha256: str) -> AdapterSet:
    """Read back what :func:`write` wrote, on the CPU; nothing is unpickled.

    Raises
    ------
    StoreError
        If the file is missing, damaged, of another format or for another backbone.
    """
    tensors, text = tensor_file.read(path)
    if text.get("format") != _FORMAT:
        raise StoreError(
            f"{path}: expected adapters of format {_FORMAT}, got {text.get('format', 'none')}; "
            f"name a file that this version of the app exported"
        )
    if text.get("backbone") != backbone_sha256:
        raise StoreError(
            f"{path}: expected adapters for the backbone {backbone_sha256}, got some for "
            f"{text.get('backbone', 'none')}; load the backbone that they were trained on"
        )
    shape = _shape(path, text.get("shape", ""))
    _check(path, shape, tensors)
    in_order = [tensors[key].flatten() for key in dict(shape.keys())]
    return AdapterSet.from_vector(shape, cat(in_order))


def _shape(path: Path, described: str) -> AdapterShape:
    try:
        found = _Description.model_validate_json(described)
        return AdapterShape(found.names, found.widths, found.rank)
    except ValidationError as error:
        problems = (f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise StoreError(f"{path}: the adapters' shape: {'; '.join(problems)}") from None
    except ModelError as error:
        raise StoreError(f"{path}: {error}") from None


def _check(path: Path, shape: AdapterShape, tensors: dict[str, Tensor]) -> None:
    """Refuse tensors that are not of the shape, before anything is built by it."""
    expected = dict(shape.keys())
    if expected.keys() != tensors.keys():
        raise StoreError(
            f"{path}: expected the tensors of {len(shape.names)} adapters; missing or unknown: "
            f"{', '.join(sorted(expected.keys() ^ tensors.keys()))}"
        )
    for key, tensor in tensors.items():
        if tuple(tensor.shape) != expected[key] or tensor.dtype != float32:
            raise StoreError(
                f"{path}: {key}: expected float32 {expected[key]}, got {tensor.dtype} "
                f"{tuple(tensor.shape)}"
            )
        if not bool(tensor.isfinite().all()):
            raise StoreError(f"{path}: {key}: expected finite values, got NaN or infinity")
