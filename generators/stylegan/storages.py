"""Tensors of a pickle: storages parsed by hand, and views of them checked and copied.

A published pickle holds each storage as bytes that ``torch.save`` wrote in its format
before version 1.6: five pickles (a magic number, a protocol, facts about the machine, one
persistent id that describes the storage, a list with the storage's key), the number of
elements as a little-endian 64-bit integer, and the elements. ``torch.load`` is not used:
without ``weights_only`` it executes, and with it it has had holes (CVE-2026-24747).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import torch
from torch import Tensor

from pickles.opcodes import parse
from pickles.symbols import MalformedPickleError, Name, Persistent

MAGIC = 0x1950A86A20F9469CFC6C
PROTOCOL = 1001
MAX_AXES = 8
# A storage's five pickles have some 40 opcodes each.
MAX_OPERATIONS = 1000
# Sizes of a tensor without elements.
MAX_EMPTY = 1 << 31

# numpy's type on disk and torch's type; numpy has no bfloat16, and any byte may be a bool.
_TYPES: dict[str, tuple[str, torch.dtype]] = {
    "FloatStorage": ("<f4", torch.float32),
    "DoubleStorage": ("<f8", torch.float64),
    "HalfStorage": ("<f2", torch.float16),
    "BFloat16Storage": ("<i2", torch.bfloat16),
    "LongStorage": ("<i8", torch.int64),
    "IntStorage": ("<i4", torch.int32),
    "ShortStorage": ("<i2", torch.int16),
    "CharStorage": ("<i1", torch.int8),
    "ByteStorage": ("<u1", torch.uint8),
    "BoolStorage": ("<u1", torch.bool),
}


@final
@dataclass(frozen=True)
class Storage:
    """A flat run of numbers, still in the file's bytes.

    Attributes
    ----------
    elements : np.ndarray
        (element,) as they stand in the file.
    dtype : torch.dtype
        What they mean.
    """

    elements: np.ndarray[Any, np.dtype[Any]]
    dtype: torch.dtype

    def view(self, offset: object, size: object, stride: object) -> Tensor:
        """Copy a strided view out of the storage.

        Parameters
        ----------
        offset : object
            First element; must be an int.
        size, stride : object
            Length and step of each axis; must be tuples of ints that stay inside of the
            storage and name no element twice more often than the storage has elements.

        Raises
        ------
        MalformedPickleError
            If the view does not fit.
        """
        lengths, steps = _counts("size", size), _counts("stride", stride)
        first = _counts("offset", (offset,))[0]
        available = len(self.elements)
        if len(lengths) != len(steps):
            raise MalformedPickleError("a tensor whose sizes and strides differ in number")
        wanted = math.prod(lengths)
        last = first + sum((length - 1) * step for length, step in zip(lengths, steps, strict=True))
        # An expanded tensor could be far larger than the file that holds it.
        if wanted > available or (wanted > 0 and last >= available):
            raise MalformedPickleError(
                f"a tensor of sizes {list(lengths)}, strides {list(steps)} and offset {first} "
                f"in a storage of {available} elements"
            )
        if wanted == 0:
            if math.prod(max(length, 1) for length in lengths) > MAX_EMPTY:
                raise MalformedPickleError("an empty tensor of an impossible size")
            return torch.empty(lengths, dtype=self.dtype)
        # The step along an axis of one element is never made, and may be any number.
        width = self.elements.itemsize
        bytes_ = [
            step * width if length > 1 else 0 for length, step in zip(lengths, steps, strict=True)
        ]
        strided = np.lib.stride_tricks.as_strided(
            self.elements[first:], lengths, bytes_, writeable=False
        )
        native = np.array(strided, dtype=strided.dtype.newbyteorder("="), order="C")
        tensor = torch.from_numpy(native)
        return tensor.view(self.dtype) if self.dtype == torch.bfloat16 else tensor.to(self.dtype)


def read_storage(content: memoryview) -> Storage:
    """Read one storage as ``torch.save`` wrote it; its place (``cuda:1``) is ignored.

    Parameters
    ----------
    content : memoryview
        All bytes of the nested file.

    Raises
    ------
    MalformedPickleError
        If it is anything else, or cut off, or longer than it should be.
    """
    magic, position = parse(content, max_operations=MAX_OPERATIONS)
    protocol, position = parse(content, position, max_operations=MAX_OPERATIONS)
    if (magic, protocol) != (MAGIC, PROTOCOL):
        raise MalformedPickleError("a storage that torch.save did not write in its old format")
    machine, position = parse(content, position, max_operations=MAX_OPERATIONS)
    if not isinstance(machine, dict) or machine.get("little_endian") is not True:
        raise MalformedPickleError("a storage that was not written by a little-endian machine")
    description, position = parse(content, position, persistent=True, max_operations=MAX_OPERATIONS)
    kind, key, count = _describe(description)
    keys, position = parse(content, position, max_operations=MAX_OPERATIONS)
    if keys != [key]:
        raise MalformedPickleError("a storage that does not list itself alone")
    layout, dtype = _TYPES[kind]
    data = content[position + 8 :]
    stated = int.from_bytes(content[position : position + 8], "little", signed=True)
    expected = count * np.dtype(layout).itemsize
    if stated != count or len(data) != expected:
        raise MalformedPickleError(
            f"a storage of {count} elements ({expected} bytes) that has {len(data)} bytes"
        )
    elements = np.frombuffer(data, layout) if count else np.empty(0, layout)
    return Storage(elements, dtype)


def load(arguments: tuple[object, ...], _state: object) -> Storage:
    """Return the storage of ``_load_from_bytes(content)``.

    Raises
    ------
    MalformedPickleError
        If it is none.
    """
    match arguments:
        case (bytes() | memoryview() as content,):
            return read_storage(memoryview(content))
    raise MalformedPickleError("a storage that is not held as bytes")


def rebuild_tensor(arguments: tuple[object, ...], _state: object) -> Tensor:
    """Return the tensor of ``_rebuild_tensor_v2(storage, offset, size, stride, ...)``.

    Raises
    ------
    MalformedPickleError
        If it is none.
    """
    match arguments:
        case (Storage() as storage, offset, size, stride, *_):
            return storage.view(offset, size, stride)
    raise MalformedPickleError("a tensor without a storage")


def rebuild_parameter(arguments: tuple[object, ...], _state: object) -> Tensor:
    """Return the tensor of ``_rebuild_parameter(tensor, ...)``; it needs no gradient here.

    Raises
    ------
    MalformedPickleError
        If it is none.
    """
    match arguments:
        case (Tensor() as tensor, *_):
            return tensor
    raise MalformedPickleError("a parameter without a tensor")


def _describe(description: object) -> tuple[str, str, int]:
    """Return type, key and number of elements."""
    if isinstance(description, Persistent):
        match description.key:
            case ("storage", Name("torch" | "torch.cuda", kind), str(key), str(), count, None) if (
                kind in _TYPES
            ):
                return kind, key, _counts("elements", (count,))[0]
            case ("storage", Name() as unknown, *_):
                raise MalformedPickleError(f"a storage of the unknown type {str(unknown)[:80]!r}")
    raise MalformedPickleError("a nested file that describes no storage")


def _counts(what: str, values: object) -> Sequence[int]:
    """Check that all are ints from 0, and not too many."""
    if not isinstance(values, tuple) or len(values) > MAX_AXES:
        raise MalformedPickleError(f"a tensor whose {what} is no tuple of at most {MAX_AXES}")
    if any(type(value) is not int or value < 0 for value in values):
        raise MalformedPickleError(f"a tensor whose {what} is not a whole number from 0")
    return values
