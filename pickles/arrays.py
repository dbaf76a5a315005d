"""numpy's numbers and arrays of a pickle, rebuilt without numpy's own unpickling.

Each function takes what the pickle would give to numpy's function of that name. All raise
``MalformedPickleError`` for what is not made of numbers, and for data of a wrong length.
"""

import math
import re
from typing import Any

import numpy as np

from pickles.symbols import MalformedPickleError

MAX_AXES = 8
# Sizes of an array without elements.
MAX_EMPTY = 1 << 31

# Before and since numpy 2.
RECONSTRUCT = frozenset(
    {"numpy.core.multiarray._reconstruct", "numpy._core.multiarray._reconstruct"}
)
SCALAR = frozenset({"numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar"})
FROM_BUFFER = frozenset({"numpy.core.numeric._frombuffer", "numpy._core.numeric._frombuffer"})

# Booleans, integers and floats; objects, texts, dates and records stay out.
_KIND = re.compile(r"b1|[iu][1248]|f[248]")
_ORDERS = ("<", ">", "=", "|")

Array = np.ndarray[Any, np.dtype[Any]]


def layout(arguments: tuple[object, ...], state: object) -> np.dtype[Any]:
    """Return the numpy type of ``dtype(kind, ...)`` with its state (version, order, ...)."""
    order = state[1] if isinstance(state, tuple) and len(state) > 1 else "="
    match arguments:
        case (str(kind), *_) if not _KIND.fullmatch(kind):
            raise MalformedPickleError(f"numpy elements of type {kind!r:.40}, which are no numbers")
        case (str(kind), *_) if isinstance(order, str) and order in _ORDERS:
            return np.dtype(f"{order}{kind}")
    raise MalformedPickleError("numpy elements of an unknown layout")


def scalar(arguments: tuple[object, ...], _state: object) -> bool | int | float:
    """Return the number of ``scalar(dtype, data)`` as Python's own."""
    match arguments:
        case (np.dtype() as dtype, bytes() | memoryview() as data):
            number = _elements(data, dtype, 1).item()
            if isinstance(number, bool | int | float):
                return number
    raise MalformedPickleError("a numpy number of an unknown layout")


def reconstruct(_arguments: tuple[object, ...], state: object) -> Array:
    """Return the array of ``_reconstruct(...)``, whose content is its state."""
    match state:
        case (
            _,
            tuple(shape),
            np.dtype() as dtype,
            bool(fortran),
            bytes() | memoryview() as data,
        ):
            return from_buffer((data, dtype, shape, "F" if fortran else "C"), None)
    raise MalformedPickleError("a numpy array of an unknown layout")


def create_array(arguments: tuple[object, ...], _state: object) -> Array:
    """Return the array of dill's ``_create_array(function, arguments, state, attributes)``."""
    match arguments:
        case (_, tuple(), state, *_):
            return reconstruct((), state)
    raise MalformedPickleError("a numpy array of an unknown layout")


def from_buffer(arguments: tuple[object, ...], _state: object) -> Array:
    """Return the array of ``_frombuffer(data, dtype, shape, order)``, as protocol 5 has it."""
    match arguments:
        case (bytes() | memoryview() as data, np.dtype() as dtype, tuple(shape), order):
            axes = [length for length in shape if type(length) is int and length >= 0]
            possible = math.prod(max(length, 1) for length in axes) <= MAX_EMPTY
            if len(axes) == len(shape) <= MAX_AXES and (possible or 0 not in axes):
                flat = _elements(data, dtype, math.prod(axes))
                return flat.reshape(axes, order="F" if _is_fortran(order) else "C")
    raise MalformedPickleError("a numpy array of an unknown layout")


def _is_fortran(order: object) -> bool:
    # An array in place of the text would be compared element by element.
    return isinstance(order, str) and order == "F"


def _elements(data: bytes | memoryview, dtype: np.dtype[Any], count: int) -> Array:
    """Copy the elements out of the file, in this machine's byte order."""
    if len(data) != count * dtype.itemsize:
        raise MalformedPickleError(
            f"{count} numpy elements of {dtype.itemsize} bytes in {len(data)} bytes"
        )
    # numpy refuses to view nothing.
    found = np.frombuffer(data, dtype) if count else np.empty(0, dtype)
    return found.astype(dtype.newbyteorder("="))
