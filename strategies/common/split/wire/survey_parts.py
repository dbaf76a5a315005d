"""A survey on the stream: cut into parts, each a frame of its own."""

import math
from collections.abc import Iterator

import numpy as np

from strategies.common.errors import WireError
from strategies.common.split.wire import split_pb2, tail
from strategies.common.split.wire.blocks import ActivationBlock, LabelBlock
from strategies.common.split.wire.codec import Shape
from strategies.common.split.wire.frames import SPLITS, FrameSpec, Survey
from strategies.common.split.wire.framing import Blocks

MAX_SAMPLES = 64
MAX_BYTES = 1 << 20
# A sender does not know how many classes there are; the receiver does.
_ANY_CLASS = 2**31

_LARGEST = float(np.finfo(np.float32).max)


def cut(survey: Survey) -> Iterator[Survey]:
    """Cut a survey into parts that fit a frame; none for no samples."""
    size = most_samples(tuple(survey.activations.shape[1:]))
    for start in range(0, len(survey.labels), size):
        rows = slice(start, start + size)
        yield Survey(survey.client, survey.split, survey.activations[rows], survey.labels[rows])


def most_samples(shape: Shape) -> int:
    """Return how many samples of this shape a part may hold, at least one."""
    return max(1, min(MAX_SAMPLES, MAX_BYTES // (4 * math.prod(shape))))


def largest_part(spec: FrameSpec) -> int:
    """Return the most bytes of a part's frame."""
    shape = spec.tensors[0].shape
    return _blocks((most_samples(shape), *shape), _LARGEST, _ANY_CLASS, "").largest


def write(part: Survey, number: int, where: str) -> bytes:
    """Write one part.

    Parameters
    ----------
    part : Survey
        As :func:`cut` gives it.
    number : int
        Which part of the lane's survey, from 1.
    where : str
        Place for error messages.

    Raises
    ------
    WireError
        If a number is not finite, or a label is negative.
    """
    blocks = _blocks(tuple(part.activations.shape), _LARGEST, _ANY_CLASS, where)
    messages, numbers = blocks.write((part.activations, part.labels))
    message = split_pb2.Survey(
        number=number,
        client=part.client,
        split=SPLITS.index(part.split),
        activations=messages[0],
        labels=messages[1],
    )
    return tail.join(split_pb2.Up(survey=message).SerializeToString(), numbers)


def read(message: split_pb2.Survey, numbers: memoryview, spec: FrameSpec, where: str) -> Survey:
    """Read one part strictly.

    Parameters
    ----------
    message : split_pb2.Survey
        What arrived.
    numbers : memoryview
        The frame's numbers.
    spec : FrameSpec
        Its clients may be surveyed; its first tensor says what a sample's activations are.
    where : str
        Place for error messages.

    Raises
    ------
    WireError
        Naming sender, tensor, expected and got.
    """
    if message.client not in spec.clients:
        raise WireError(
            f"{where}: expected a client of {spec.clients}, got client {message.client}"
        )
    if message.split >= len(SPLITS):
        raise WireError(f"{where}: expected one of {len(SPLITS)} splits, got {message.split}")
    sample = spec.tensors[0]
    count = message.activations.shape[0] if message.activations.shape else 0
    most = most_samples(sample.shape)
    if not 1 <= count <= most:
        raise WireError(f"{where}: expected 1 to {most} samples, got {count}")
    blocks = _blocks((count, *sample.shape), sample.bound, spec.num_classes, where)
    activations, labels = blocks.read((message.activations, message.labels), numbers)
    return Survey(message.client, SPLITS[message.split], activations, labels)


def _blocks(shape: Shape, bound: float, classes: float, where: str) -> Blocks:
    activations = ActivationBlock(f"{where}, activations", shape, "float32", bound)
    return Blocks([activations, LabelBlock(f"{where}, labels", shape[:1], classes)], where)
