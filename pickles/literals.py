"""The opcodes of a pickle's numbers, texts and byte strings."""

import codecs
import struct
from collections.abc import Callable

from pickles.machine import Machine

# Protocol 2 writes the bytes of a storage as text.
MAX_TEXT_BYTES = 1 << 28
# Wide enough for every published number, narrow enough to become a float.
MAX_INTEGER_BYTES = 32

# Looked up now: a codec is imported when it is first asked for.
_unescape = codecs.getdecoder("raw-unicode-escape")

Operation = Callable[[Machine], None]


def constant(value: object) -> Operation:
    """Return the operation that pushes one value."""
    return lambda machine: machine.push(value)


def _fixed(form: str) -> Operation:
    layout = struct.Struct(form)
    return lambda machine: machine.push(layout.unpack(machine.take(layout.size))[0])


def _text(width: int, encoding: str = "utf-8") -> Operation:
    return lambda machine: machine.push(str(machine.take_counted(width, MAX_TEXT_BYTES), encoding))


def _short_bytes(machine: Machine) -> None:
    machine.push(bytes(machine.take_counted(1)))


def _long_bytes(width: int) -> Operation:
    return lambda machine: machine.push(machine.take_counted(width))


def _integer_line(machine: Machine) -> None:
    digits = machine.line()
    machine.push(digits == b"01" if digits in {b"00", b"01"} else decimal(machine, digits))


def _long_line(machine: Machine) -> None:
    machine.push(decimal(machine, machine.line().removesuffix(b"L")))


def decimal(machine: Machine, digits: bytes) -> int:
    """Read an integer that is written in digits."""
    number = int(digits)
    if number.bit_length() > 8 * MAX_INTEGER_BYTES:
        raise machine.error(f"an integer of {len(digits)} digits")
    return number


def _integer(width: int) -> Operation:
    return lambda machine: machine.push(
        int.from_bytes(machine.take_counted(width, MAX_INTEGER_BYTES), "little", signed=True)
    )


LITERALS: dict[str, Operation] = {
    "NONE": constant(None),
    "NEWTRUE": constant(value=True),
    "NEWFALSE": constant(value=False),
    "INT": _integer_line,
    "LONG": _long_line,
    "BININT": _fixed("<i"),
    "BININT1": _fixed("<B"),
    "BININT2": _fixed("<H"),
    "LONG1": _integer(1),
    "LONG4": _integer(4),
    "FLOAT": lambda machine: machine.push(float(machine.line())),
    "BINFLOAT": _fixed(">d"),
    "UNICODE": lambda machine: machine.push(_unescape(machine.line())[0]),
    "SHORT_BINUNICODE": _text(1),
    "BINUNICODE": _text(4),
    "BINUNICODE8": _text(8),
    "SHORT_BINSTRING": _text(1, "latin-1"),
    "BINSTRING": _text(4, "latin-1"),
    "SHORT_BINBYTES": _short_bytes,
    "BINBYTES": _long_bytes(4),
    "BINBYTES8": _long_bytes(8),
    "BYTEARRAY8": _long_bytes(8),
}
