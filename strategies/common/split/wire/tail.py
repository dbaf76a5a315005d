"""Numbers at the tail of a frame, neither copied into a protobuf message nor out of one.

A frame is a protobuf message with one field of its kind and then, if it carries tensors,
the field ``numbers``. Protobuf would copy every number several times on its way; here the
last field is written behind the serialised rest, and read where it lies. Every protobuf
library reads such frames, and writes them so as long as it writes fields in order.
"""

from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

from strategies.common.errors import WireError

Buffer = memoryview | NDArray[Any]

_IS_BYTES = 2
_NUMBERS_TAG = 15 << 3 | _IS_BYTES
# Frames are far below 2^35 bytes.
_MAX_VARINT = 5


def join(head: bytes, numbers: Sequence[Buffer]) -> bytes:
    """Return a frame.

    Parameters
    ----------
    head : bytes
        The message without its numbers.
    numbers : Sequence[Buffer]
        What follows it, in order; each in C order.
    """
    length = sum(part.nbytes for part in numbers)
    parts: list[Any] = [head, _tag(length), *numbers]
    return b"".join(parts)


def split(raw: bytes, where: str) -> tuple[bytes, memoryview]:
    """Return a frame's message without its numbers, and the numbers.

    Parameters
    ----------
    raw : bytes
        What arrived.
    where : str
        Who sent it, for the error message.

    Raises
    ------
    WireError
        If the frame has other fields, or the numbers do not end with it.
    """
    # The field of the kind: a message under a tag of one byte.
    if raw and raw[0] & 7 == _IS_BYTES and raw[0] != _NUMBERS_TAG:
        length, start = _varint(raw, 1)
        end = start + length
        if end == len(raw):
            return raw, memoryview(b"")
        if end < len(raw) and raw[end] == _NUMBERS_TAG:
            length, start = _varint(raw, end + 1)
            if start + length == len(raw):
                return raw[:end], memoryview(raw)[start:]
    raise WireError(f"{where}: expected a frame, got {len(raw)} bytes of no frame")


def _tag(length: int) -> bytes:
    written = bytearray([_NUMBERS_TAG])
    while length > 0x7F:
        written.append(length & 0x7F | 0x80)
        length >>= 7
    written.append(length)
    return bytes(written)


def _varint(raw: bytes, place: int) -> tuple[int, int]:
    """Return a number and where it ends; a place beyond the frame if it does not end."""
    value = 0
    for count, byte in enumerate(raw[place : place + _MAX_VARINT]):
        value |= (byte & 0x7F) << (7 * count)
        if byte < 0x80:
            return value, place + count + 1
    return 0, len(raw) + 1
