"""One tensor of a frame: what it must be, and how its numbers are written and read.

A block knows its shape, length and range before anything arrives, and refuses the rest by
name. Writing gives the protobuf message and the numbers apart, since the numbers travel at
the tail of the frame.
"""

import math
from typing import Protocol, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from strategies.common.errors import WireError
from strategies.common.split.wire import codec, split_pb2
from strategies.common.split.wire.codec import NO_SCALES, Coded, Floats, Shape
from strategies.common.split.wire.frames import CodecName
from strategies.common.split.wire.tail import Buffer

_CODECS: dict[CodecName, split_pb2.Codec] = {
    "float32": split_pb2.FLOAT32,
    "float16": split_pb2.FLOAT16,
    "uint8": split_pb2.UINT8,
}
_MAX_AXES = 16


class Block(Protocol):
    """One tensor of a frame."""

    @property
    def num_bytes(self) -> int:
        """Bytes of its numbers."""
        ...

    @property
    def num_scales(self) -> int:
        """Scales beside them."""
        ...

    def is_exact(self, tensor: Tensor) -> bool:
        """Tell whether a tensor, on any device, fits and would arrive as it is sent."""
        ...

    def write(self, tensor: Tensor) -> tuple[split_pb2.Block, Buffer]:
        """Return the message and the numbers.

        Raises
        ------
        WireError
            If the tensor has another shape, or a number is out of range.
        """
        ...

    def check(self, message: split_pb2.Block) -> None:
        """Check what a message says of its tensor.

        Raises
        ------
        WireError
            If it is another codec, shape or number of scales.
        """
        ...

    def read(self, message: split_pb2.Block, numbers: memoryview) -> Tensor:
        """Return the tensor; there are as many numbers as ``num_bytes`` says.

        Raises
        ------
        WireError
            If the message says anything else, or a number is out of range.
        """
        ...


@final
class ActivationBlock:
    """Activations: (clients, batch, *shape of a sample).

    Parameters
    ----------
    where : str
        Place for error messages.
    shape : tuple[int, ...]
        Shape of the whole.
    name : str
        Codec.
    bound : float
        Largest magnitude.
    """

    def __init__(self, where: str, shape: Shape, name: CodecName, bound: float) -> None:
        self._where, self._shape, self._name, self._bound = where, shape, name, bound
        self.num_bytes, self.num_scales = codec.activation_sizes(shape, name)
        self._message = split_pb2.Block(codec=_CODECS[name], shape=shape)

    def is_exact(self, tensor: Tensor) -> bool:
        """Tell whether a tensor, on any device, fits and would arrive as it is sent."""
        if not _is_float32(tensor, self._shape, self._name):
            return False
        return bool(tensor.abs().amax() <= self._bound)

    def write(self, tensor: Tensor) -> tuple[split_pb2.Block, Buffer]:
        """Return the message and the numbers."""
        values = _to_floats(tensor, self._shape, self._where)
        coded = codec.encode_activations(values, self._name, self._bound, self._where)
        return _with_scales(self._message, coded.scales), coded.data

    def check(self, message: split_pb2.Block) -> None:
        """Check what a message says of its tensor."""
        _check_message(message, self._message, self.num_scales, self._where)

    def read(self, message: split_pb2.Block, numbers: memoryview) -> Tensor:
        """Return the tensor as float32."""
        self.check(message)
        coded = Coded(numbers, _scales(message, self.num_scales))
        values = codec.decode_activations(coded, self._shape, self._name, self._bound, self._where)
        return torch.from_numpy(values)


@final
class GradientBlock:
    """A gradient; parameters as for :class:`ActivationBlock`, without a bound."""

    def __init__(self, where: str, shape: Shape, name: CodecName) -> None:
        self._where, self._shape, self._name = where, shape, name
        self.num_bytes, self.num_scales = codec.gradient_sizes(shape, name)
        self._message = split_pb2.Block(codec=_CODECS[name], shape=shape)

    def is_exact(self, tensor: Tensor) -> bool:
        """Tell whether a tensor, on any device, fits and would arrive as it is sent."""
        if not _is_float32(tensor, self._shape, self._name):
            return False
        return bool(tensor.isfinite().all())

    def write(self, tensor: Tensor) -> tuple[split_pb2.Block, Buffer]:
        """Return the message and the numbers."""
        values = _to_floats(tensor, self._shape, self._where)
        coded = codec.encode_gradient(values, self._name, self._where)
        return _with_scales(self._message, coded.scales), coded.data

    def check(self, message: split_pb2.Block) -> None:
        """Check what a message says of its tensor."""
        _check_message(message, self._message, self.num_scales, self._where)

    def read(self, message: split_pb2.Block, numbers: memoryview) -> Tensor:
        """Return the tensor as float32."""
        self.check(message)
        coded = Coded(numbers, _scales(message, self.num_scales))
        return torch.from_numpy(codec.decode_gradient(coded, self._shape, self._name, self._where))


@final
class LabelBlock:
    """Labels as int64, in [0, classes).

    Parameters
    ----------
    where : str
        Place for error messages.
    shape : tuple[int, ...]
        Shape of the whole.
    classes : float
        How many classes there are.
    """

    def __init__(self, where: str, shape: Shape, classes: float) -> None:
        self._where, self._shape, self._classes = where, shape, classes
        self.num_bytes, self.num_scales = 8 * math.prod(shape), 0
        self._message = split_pb2.Block(codec=split_pb2.INT64, shape=shape)

    def is_exact(self, tensor: Tensor) -> bool:
        """Tell whether a tensor, on any device, fits and would arrive as it is sent."""
        if tensor.shape != self._shape or tensor.dtype is not torch.int64:
            return False
        return bool((tensor >= 0).all() and (tensor < self._classes).all())

    def write(self, tensor: Tensor) -> tuple[split_pb2.Block, Buffer]:
        """Return the message and the numbers."""
        _check_shape(tensor, self._shape, self._where)
        labels = tensor.detach().to("cpu", torch.int64).contiguous().numpy()
        self._check(labels)
        return self._message, labels.astype("<i8", copy=False)

    def check(self, message: split_pb2.Block) -> None:
        """Check what a message says of its tensor."""
        _check_message(message, self._message, self.num_scales, self._where)

    def read(self, message: split_pb2.Block, numbers: memoryview) -> Tensor:
        """Return the tensor as int64."""
        self.check(message)
        labels = np.frombuffer(numbers, "<i8").astype(np.int64)
        self._check(labels)
        return torch.from_numpy(labels.reshape(self._shape))

    def _check(self, labels: NDArray[np.int64]) -> None:
        low, high = int(labels.min()), int(labels.max())
        if low < 0 or high >= self._classes:
            raise WireError(
                f"{self._where}: expected labels in [0, {self._classes:g}), got {low} to {high}"
            )


def _is_float32(tensor: Tensor, shape: Shape, name: CodecName) -> bool:
    return name == "float32" and tensor.dtype is torch.float32 and tensor.shape == shape


def _to_floats(tensor: Tensor, shape: Shape, where: str) -> Floats:
    _check_shape(tensor, shape, where)
    if tensor.dtype is not torch.float32 or tensor.device.type != "cpu":
        tensor = tensor.to("cpu", torch.float32)
    values: Floats = tensor.detach().contiguous().numpy()
    return values


def _check_shape(tensor: Tensor, shape: Shape, where: str) -> None:
    if tensor.shape != shape:
        raise WireError(f"{where}: expected shape {shape}, got {tuple(tensor.shape)}")


def _with_scales(message: split_pb2.Block, scales: Floats) -> split_pb2.Block:
    if not len(scales):
        return message
    return split_pb2.Block(codec=message.codec, shape=message.shape, scales=scales.tolist())


def _scales(message: split_pb2.Block, count: int) -> Floats:
    return np.array(message.scales, np.float32) if count else NO_SCALES


def _check_message(
    message: split_pb2.Block, expected: split_pb2.Block, num_scales: int, where: str
) -> None:
    """Compare a message with what it must be, scales apart."""
    if not num_scales and message == expected:
        return
    if message.codec != expected.codec:
        raise WireError(
            f"{where}: expected codec {_name(expected.codec)}, got {_name(message.codec)}"
        )
    if message.shape != expected.shape:
        shapes = tuple(expected.shape), tuple(message.shape[:_MAX_AXES])
        raise WireError(f"{where}: expected shape {shapes[0]}, got {shapes[1]}")
    if len(message.scales) != num_scales:
        raise WireError(f"{where}: expected {num_scales} scales, got {len(message.scales)}")


def _name(kind: int) -> str:
    # A number that this version does not know stays a number.
    known = kind in split_pb2.Codec.values()
    return split_pb2.Codec.Name(kind).lower() if known else str(kind)
