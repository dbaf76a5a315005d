"""Numeric arrays out of a pickled dict inside an ``.npz``, without executing anything.

NumPy saves a dict of arrays as a pickled object array. Allowing a pickle NumPy's own
classes is not enough: ``dtype.__setstate__`` accepts forged flags, and an object array
then takes raw bytes for pointers. So the pickle never meets NumPy. The names it may use
lead to stand-ins that write down what they are given, and arrays of plain numbers are
made from that once all of it is checked.
"""

import io
import math
import pickle
import pickletools
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn, final

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from strategies.common.errors import DataError

# A zip can unpack to a thousand times its size; more than this is no client's data.
MAX_MEMBER_BYTES = 4 * 2**30
# Two arrays take some hundred instructions and some fifty memo entries.
MAX_OPCODES = 10_000

NUMBERS = frozenset({"b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8"})
OPCODES = frozenset(
    {"PROTO", "FRAME", "STOP", "MARK", "GLOBAL", "STACK_GLOBAL", "REDUCE", "BUILD"}
    | {"NONE", "NEWTRUE", "NEWFALSE", "BININT", "BININT1", "BININT2", "LONG1"}
    | {"UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8"}
    | {"EMPTY_TUPLE", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3", "EMPTY_LIST", "APPEND", "APPENDS"}
    | {"EMPTY_DICT", "SETITEM", "SETITEMS"}
    | {"BINPUT", "LONG_BINPUT", "BINGET", "LONG_BINGET", "MEMOIZE"}
)


def read(path: Path) -> dict[str, NDArray[np.generic]]:
    """Read the dict of numeric arrays that a file saves as ``data``.

    Raises
    ------
    DataError
        If the file is damaged, too large, or holds anything but such a dict.
    """
    contents = _member(path)
    try:
        _check_header(contents)
        _check_opcodes(contents)
        saved = _Unpickler(contents).load()
        return _arrays(saved)
    except DataError as error:
        raise DataError(f"{path}: {error}") from None
    except Exception as error:  # a forged pickle may raise anything
        raise DataError(
            f"{path}: expected a pickled dict of numeric arrays, got {type(error).__name__}: "
            f"{error}"
        ) from None


def _member(path: Path) -> io.BytesIO:
    try:
        with zipfile.ZipFile(path) as archive:
            member = archive.getinfo("data.npy")
            if member.file_size > MAX_MEMBER_BYTES:
                raise DataError(
                    f"{path}: expected at most {MAX_MEMBER_BYTES} bytes unpacked, data.npy says "
                    f"{member.file_size}"
                )
            # Reading stops at the size that was just checked, whatever the stream goes on to.
            return io.BytesIO(archive.read(member))
    except DataError:
        raise
    except Exception as error:  # a damaged archive may raise anything inside a decoder
        raise DataError(
            f"{path}: expected an .npz file with the member data.npy, got {type(error).__name__}: "
            f"{error}"
        ) from None


def _check_header(contents: io.BytesIO) -> None:
    version = npy.read_magic(contents)
    readers = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
    if version not in readers:
        raise DataError(f"expected .npy version 1.0 or 2.0, got {version}")
    shape, _, dtype = readers[version](contents)
    if shape != () or dtype != np.dtype(object):
        raise DataError(f"expected one pickled dict, got an array of {dtype} with shape {shape}")


def _check_opcodes(contents: io.BytesIO) -> None:
    start = contents.tell()
    for number, (opcode, argument, _) in enumerate(pickletools.genops(contents)):
        if opcode.name not in OPCODES:
            raise DataError(f"the pickle uses the forbidden instruction {opcode.name}")
        # A memo index sets how much memory the unpickler takes, without any data behind it.
        memo = opcode.name == "LONG_BINPUT" and isinstance(argument, int) and argument
        if number > MAX_OPCODES or memo > MAX_OPCODES:
            raise DataError(f"the pickle is longer than {MAX_OPCODES} instructions")
    contents.seek(start)


@final
class _Dtype:
    """Stands in for ``numpy.dtype``: a code and a byte order; the flags are ignored."""

    def __init__(self, code: object, *_: object) -> None:
        if not isinstance(code, str) or (code not in NUMBERS and code != "O8"):
            raise DataError(f"expected numeric arrays, got dtype {code!r}")
        self.code = code
        self.order = "="

    def __setstate__(self, state: object) -> None:
        order = state[1] if isinstance(state, tuple) and len(state) > 1 else None
        if order not in ("<", ">", "|", "="):
            raise DataError(f"expected a byte order of a dtype, got {state!r}")
        self.order = order

    def numeric(self) -> np.dtype[np.generic]:
        if self.code not in NUMBERS:
            raise DataError("expected numeric arrays, got an array of objects")
        return np.dtype(self.order + self.code)


@final
class _Array:
    """Stands in for ``numpy.ndarray``: the state it is given, unread."""

    def __init__(self) -> None:
        self.state: object = None

    def __setstate__(self, state: object) -> None:
        self.state = state

    def parts(self) -> tuple[tuple[int, ...], _Dtype, bool, object]:
        match self.state:
            case (1, tuple(shape), _Dtype() as dtype, bool(fortran), contents) if all(
                isinstance(length, int) and length >= 0 for length in shape
            ):
                return shape, dtype, fortran, contents
        raise DataError("expected a whole array, got a part of one")

    def numeric(self) -> NDArray[np.generic]:
        shape, dtype, fortran, contents = self.parts()
        kind = dtype.numeric()
        size = math.prod(shape) * kind.itemsize
        if not isinstance(contents, bytes) or len(contents) != size:
            raise DataError(f"expected {size} bytes for an array of shape {shape}")
        flat = np.frombuffer(contents, dtype=kind)
        return flat.reshape(shape, order="F" if fortran else "C").copy()


def _reconstruct(kind: object, *_: object) -> _Array:
    if kind is not _NDARRAY:
        raise DataError(f"expected only numpy.ndarray to be rebuilt, got {kind!r}")
    return _Array()


def _scalar(dtype: object, contents: object) -> _Array:
    array = _Array()
    array.state = (1, (), dtype, False, contents)
    return array


def _encode(text: object, encoding: object) -> bytes:
    # How protocol 2 writes bytes.
    if not isinstance(text, str) or encoding != "latin1":
        raise DataError("expected bytes written as latin1 text")
    return text.encode("latin1")


def _refuse_call(*_: object) -> NoReturn:
    raise DataError("numpy.ndarray may be named in the pickle but not called")


@final
class _Global:
    """A name that the pickle may use; it can be called, and nothing in it can be set."""

    __slots__ = ("_call",)

    def __init__(self, call: Callable[..., object]) -> None:
        self._call = call

    def __call__(self, *arguments: object) -> object:
        return self._call(*arguments)

    def __setstate__(self, state: object) -> NoReturn:
        raise DataError("the pickle tries to change what it calls")


_NDARRAY = _Global(_refuse_call)
_ALLOWED = {
    "numpy.ndarray": _NDARRAY,
    "numpy.dtype": _Global(_Dtype),
    "numpy.core.multiarray._reconstruct": _Global(_reconstruct),
    "numpy._core.multiarray._reconstruct": _Global(_reconstruct),
    "numpy.core.multiarray.scalar": _Global(_scalar),
    "numpy._core.multiarray.scalar": _Global(_scalar),
    "_codecs.encode": _Global(_encode),
}


@final
class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str, /) -> _Global:
        wanted = f"{module}.{name}"
        if wanted not in _ALLOWED:
            raise DataError(
                f"the pickle asks for {wanted}, which is forbidden; nothing of it was executed. "
                f"Expected a dict of NumPy arrays and nothing else"
            )
        return _ALLOWED[wanted]


def _arrays(saved: object) -> dict[str, NDArray[np.generic]]:
    contents = saved.parts()[3] if isinstance(saved, _Array) else None
    match contents:
        case [dict(found)]:
            pass
        case _:
            raise DataError("expected one pickled dict of arrays")
    arrays = {}
    for name, value in found.items():
        if not isinstance(name, str) or not isinstance(value, _Array):
            raise DataError(f"expected named arrays, got {name!r}: {type(value).__name__}")
        arrays[name] = value.numeric()
    return arrays
