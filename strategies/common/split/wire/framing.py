"""Frames to bytes and back: the protobuf messages of ``split.proto``, read strictly.

Whatever arrives was written by someone else. Reading checks the number of tensors, their
total length and each tensor's codec, shape and range against the agreed
:class:`FrameSpec`, and raises nothing but :class:`WireError`.
"""

from collections.abc import Sequence
from typing import TypeVar, final

from google.protobuf.message import DecodeError
from torch import Tensor

from strategies.common.errors import WireError
from strategies.common.split.wire import split_pb2, tail
from strategies.common.split.wire.blocks import ActivationBlock, Block, GradientBlock, LabelBlock
from strategies.common.split.wire.frames import (
    Activations,
    FrameSpec,
    Gradients,
    Skipped,
    TensorSpec,
)
from strategies.common.split.wire.protocol import SLACK_BYTES

AnyFrame = TypeVar("AnyFrame", split_pb2.Up, split_pb2.Down)

_BYTES_PER_SCALE = 4
_GRADIENT_RULE = {
    True: "expected a gradient, got none",
    False: "expected no gradient, since the clients' models are frozen, got one",
}


@final
class Blocks:
    """The tensors of a frame, one after another.

    Parameters
    ----------
    blocks : Sequence[Block]
        What each must be.
    where : str
        Place for error messages.
    """

    def __init__(self, blocks: Sequence[Block], where: str) -> None:
        self._blocks, self._where = blocks, where
        self._num_bytes = sum(block.num_bytes for block in blocks)

    @property
    def largest(self) -> int:
        """Most bytes of a frame with these tensors."""
        scales = sum(block.num_scales for block in self._blocks)
        return self._num_bytes + _BYTES_PER_SCALE * scales + SLACK_BYTES

    def is_exact(self, tensors: Sequence[Tensor]) -> bool:
        """Tell whether tensors, on any device, fit and would arrive as they are sent."""
        if len(tensors) != len(self._blocks):
            return False
        return all(b.is_exact(tensor) for b, tensor in zip(self._blocks, tensors, strict=True))

    def write(self, tensors: Sequence[Tensor]) -> tuple[list[split_pb2.Block], list[tail.Buffer]]:
        """Return the messages and the numbers.

        Raises
        ------
        WireError
            If there are more or fewer tensors, or one does not fit.
        """
        self._check_count(len(tensors))
        written = [b.write(tensor) for b, tensor in zip(self._blocks, tensors, strict=True)]
        return [message for message, _ in written], [numbers for _, numbers in written]

    def read(self, messages: Sequence[split_pb2.Block], numbers: memoryview) -> tuple[Tensor, ...]:
        """Return the tensors.

        Raises
        ------
        WireError
            If their number or total length is another than expected, or one does not fit.
        """
        self._check_count(len(messages))
        if len(numbers) != self._num_bytes:
            # What a tensor says of itself tells more than the length of all.
            for block, message in zip(self._blocks, messages, strict=True):
                block.check(message)
            raise WireError(
                f"{self._where}: expected {self._num_bytes} bytes of numbers, got {len(numbers)}"
            )
        tensors, start = [], 0
        for block, message in zip(self._blocks, messages, strict=True):
            end = start + block.num_bytes
            tensors.append(block.read(message, numbers[start:end]))
            start = end
        return tuple(tensors)

    def _check_count(self, count: int) -> None:
        if count != len(self._blocks):
            raise WireError(f"{self._where}: expected {len(self._blocks)} tensors, got {count}")


@final
class Framer:
    """Writes and reads the frames of one lane, at either end.

    Parameters
    ----------
    spec : FrameSpec
        What the frames hold.
    where : str
        The lane's name, for error messages.
    """

    def __init__(self, spec: FrameSpec, where: str) -> None:
        self.spec = spec
        self._where = where
        self._blocks = Blocks([_block(spec, part, where) for part in spec.tensors], where)
        shape = (len(spec.clients), spec.batch, *spec.tensors[0].shape)
        gradient = GradientBlock(f"{where}, gradient", shape, spec.gradient_codec)
        self._gradient = Blocks([gradient] if spec.returns_gradient else [], where)

    @property
    def largest_up(self) -> int:
        """Most bytes of a frame from the node."""
        return self._blocks.largest

    @property
    def largest_down(self) -> int:
        """Most bytes of a frame from the server."""
        return self._gradient.largest

    def is_exact(self, tensors: Sequence[Tensor]) -> bool:
        """Tell whether activations, on any device, fit and would arrive as they are sent."""
        return self._blocks.is_exact(tensors)

    def is_exact_gradient(self, gradient: Tensor) -> bool:
        """Tell whether a gradient, on any device, fits and would arrive as it is sent."""
        return self._gradient.is_exact((gradient,))

    def write_activations(self, frame: Activations) -> bytes:
        """Write activations.

        Raises
        ------
        WireError
            If a tensor does not fit the specification.
        """
        messages, numbers = self._blocks.write(frame.tensors)
        up = split_pb2.Up()
        up.activations.step = frame.step
        up.activations.tensors.extend(messages)
        return tail.join(up.SerializeToString(), numbers)

    def read_activations(self, message: split_pb2.Activations, numbers: memoryview) -> Activations:
        """Read activations.

        Raises
        ------
        WireError
            Naming node, cohort, tensor, expected and got.
        """
        return Activations(message.step, self._blocks.read(message.tensors, numbers))

    def write_answer(self, answer: Gradients | Skipped) -> bytes:
        """Write the server's answer to a step.

        Raises
        ------
        WireError
            If the gradient is missing, superfluous, of another shape or not finite.
        """
        down = split_pb2.Down()
        if isinstance(answer, Skipped):
            down.skipped.step, down.skipped.next_step = answer.step, answer.next_step
            return _to_bytes(down)
        self._check_gradient(there=answer.gradient is not None)
        down.gradients.step = answer.step
        if answer.gradient is None:
            return _to_bytes(down)
        messages, numbers = self._gradient.write((answer.gradient,))
        down.gradients.gradient.CopyFrom(messages[0])
        return tail.join(_to_bytes(down), numbers)

    def read_gradients(self, message: split_pb2.Gradients, numbers: memoryview) -> Gradients:
        """Read the server's gradient.

        Raises
        ------
        WireError
            Saying what was expected and what came.
        """
        there = message.HasField("gradient")
        self._check_gradient(there=there)
        found = self._gradient.read([message.gradient] if there else [], numbers)
        return Gradients(message.step, found[0] if found else None)

    def _check_gradient(self, *, there: bool) -> None:
        if there is not self.spec.returns_gradient:
            raise WireError(f"{self._where}: {_GRADIENT_RULE[self.spec.returns_gradient]}")


def parse_up(raw: bytes, where: str) -> tuple[split_pb2.Up, memoryview]:
    """Read a node's frame up to its numbers, which lie where they arrived.

    Raises
    ------
    WireError
        If the bytes are no frame.
    """
    return _parse(split_pb2.Up(), raw, where)


def parse_down(raw: bytes, where: str) -> tuple[split_pb2.Down, memoryview]:
    """Read the server's frame up to its numbers, which lie where they arrived.

    Raises
    ------
    WireError
        If the bytes are no frame.
    """
    return _parse(split_pb2.Down(), raw, where)


def _block(spec: FrameSpec, part: TensorSpec, where: str) -> Block:
    shape = (len(spec.clients), spec.batch, *part.shape)
    if part.kind == "labels":
        return LabelBlock(f"{where}, {part.name}", shape, part.bound)
    return ActivationBlock(f"{where}, {part.name}", shape, spec.codec, part.bound)


def _parse(frame: AnyFrame, raw: bytes, where: str) -> tuple[AnyFrame, memoryview]:
    head, numbers = tail.split(raw, where)
    try:
        frame.ParseFromString(head)
    except DecodeError:
        raise WireError(f"{where}: expected a frame, got {len(raw)} bytes of no frame") from None
    return frame, numbers


def _to_bytes(frame: split_pb2.Up | split_pb2.Down) -> bytes:
    raw: bytes = frame.SerializeToString()
    return raw
