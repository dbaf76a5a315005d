"""What a pickle's opcodes build here: texts, numbers, containers, and calls never made."""

from dataclasses import dataclass, field
from typing import final

# Python salts the hashes of texts, and small ints are their own hashes: a file cannot fill
# a dictionary with keys that collide.
_KEYS = (type(None), bool, str, bytes)
_LARGEST_KEY = 1 << 32


@final
class MalformedPickleError(Exception):
    """A stream is no pickle, is cut off or asks for what a file of weights never needs."""


@final
@dataclass(frozen=True, slots=True)
class Name:
    """A global that a pickle names; it is never looked up."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


@final
@dataclass(slots=True, eq=False, repr=False)
class Call:
    """An object that a pickle would build by a call; the call is never made.

    Attributes
    ----------
    callee : Name | Call
        What would be called.
    arguments : tuple[object, ...]
        Positional arguments.
    state : object
        What would be given to ``__setstate__``, or ``None``.
    items : list[tuple[object, object]]
        Keys and values that would be set.
    elements : list[object]
        What would be appended or added.
    """

    callee: "Name | Call"
    arguments: tuple[object, ...]
    state: object = None
    items: list[tuple[object, object]] = field(default_factory=list)
    elements: list[object] = field(default_factory=list)


@final
@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Persistent:
    """A persistent id."""

    key: object


@final
@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Opaque:
    """A key of a dictionary or element of a set that must not be hashed by its value."""

    value: object


def hashable(value: object) -> object:
    """Return a dictionary's key: plain ones as they are, anything else by its identity."""
    if type(value) in _KEYS or (type(value) is int and abs(value) < _LARGEST_KEY):
        return value
    return Opaque(value)
