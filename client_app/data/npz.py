"""Numeric arrays out of a pickled dict inside an ``.npz``, without executing anything.

NumPy saves a dict of arrays as a pickled object array. Allowing a pickle NumPy's own
classes is not enough: ``dtype.__setstate__`` accepts forged flags, and an object array
then takes raw bytes for pointers. So the pickle never meets NumPy: it is read as data, it
may name what NumPy itself writes and nothing else, and arrays of plain numbers are made
from that once all of it is checked.
"""

import io
import zipfile
from pathlib import Path

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from client_app.data import npz_texts
from pickles import arrays
from pickles.byte_strings import BYTE_STRINGS
from pickles.opcodes import parse
from pickles.symbols import Call, MalformedPickleError, Name
from strategies.common.errors import DataError

# A zip can unpack to a thousand times its size; more than this is no client's data.
MAX_MEMBER_BYTES = 4 * 2**30
# Two arrays take some hundred, and texts one for each word: a hundred thousand of 200 words.
MAX_OPERATIONS = 10_000
MAX_TEXT_OPERATIONS = 20_000_000
# Ends the name of how many texts were cut.
_CUT = ".cut"

NAMES = frozenset(
    {"numpy.ndarray", "numpy.dtype"}
    | arrays.RECONSTRUCT
    | arrays.SCALAR
    | arrays.FROM_BUFFER
    | BYTE_STRINGS.keys()
)


def read(path: Path, text_length: int = 0) -> dict[str, NDArray[np.generic]]:
    """Read the dict of numeric arrays that a file saves as ``data``.

    Parameters
    ----------
    path : Path
        The file.
    text_length : int
        Words of each text, where an array may hold texts; 0 refuses these.

    Returns
    -------
    dict[str, NDArray[np.generic]]
        Copies in this machine's byte order; a number is an array without axes. How many texts of
        ``x`` are longer stands beside them, as ``x.cut``.

    Raises
    ------
    DataError
        If the file is damaged, too large, or holds anything but such a dict.
    """
    content = _member(path)
    start = _after_header(content, path)
    try:
        most = MAX_TEXT_OPERATIONS if text_length else MAX_OPERATIONS
        symbol, _ = parse(memoryview(content), start, names=NAMES, max_operations=most)
        return _arrays(_contents(symbol), len(content), text_length)
    except MalformedPickleError as error:
        raise DataError(
            f"{path}: the pickle in data.npy is refused, and nothing of it was executed: {error}; "
            f"expected one pickled dict of numeric arrays and nothing else"
        ) from None
    except MemoryError:
        raise DataError(
            f"{path}: expected arrays that fit into the memory, got data.npy of {len(content)} "
            f"bytes; split the data over more clients"
        ) from None


def _member(path: Path) -> bytes:
    try:
        with zipfile.ZipFile(path) as archive:
            member = archive.getinfo("data.npy")
            if member.file_size > MAX_MEMBER_BYTES:
                raise DataError(
                    f"{path}: expected at most {MAX_MEMBER_BYTES} bytes unpacked, data.npy says "
                    f"{member.file_size}"
                )
            # Reading stops at the size that was just checked, whatever the stream goes on to.
            return archive.read(member)
    except DataError:
        raise
    except Exception as error:  # a damaged archive may raise anything inside a decoder
        raise DataError(
            f"{path}: expected an .npz file with the member data.npy, got {type(error).__name__}: "
            f"{error}"
        ) from None


def _after_header(content: bytes, path: Path) -> int:
    """Return where the pickle begins."""
    stream = io.BytesIO(content)
    try:
        version = npy.read_magic(stream)
        readers = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
        if version not in readers:
            raise DataError(f"{path}: expected .npy version 1.0 or 2.0, got {version}")
        shape, _, dtype = readers[version](stream)
    except DataError:
        raise
    except Exception as error:  # NumPy evaluates a literal, which may raise anything
        raise DataError(
            f"{path}: expected a header of NumPy in data.npy, got {type(error).__name__}: {error}"
        ) from None
    if shape != () or dtype != np.dtype(object):
        raise DataError(
            f"{path}: expected one pickled dict, got an array of {dtype} with shape {shape}"
        )
    return stream.tell()


def _contents(symbol: object) -> dict[object, object]:
    """Unwrap the array of one object that NumPy puts around a dict."""
    match symbol:
        case Call(Name() as callee, _, (_, (), _, _, [dict(contents)])) if (
            str(callee) in arrays.RECONSTRUCT
        ):
            return contents
    raise MalformedPickleError("it holds no dict")


def _arrays(
    contents: dict[object, object], bytes_left: int, text_length: int
) -> dict[str, NDArray[np.generic]]:
    found: dict[str, NDArray[np.generic]] = {}
    for name, symbol in contents.items():
        if not isinstance(name, str):
            raise MalformedPickleError("it has a key that is no text")
        if name.endswith(_CUT):
            raise MalformedPickleError(f"it has a key that ends in {_CUT}, which is no array's")
        try:
            texts = npz_texts.read(symbol, text_length) if text_length else None
            found[name] = _array(symbol) if texts is None else texts[0]
        except MalformedPickleError as error:
            raise MalformedPickleError(f"{name!r:.80} is {error}") from None
        if texts is not None:
            found[f"{name}{_CUT}"] = np.array(texts[1])
            continue
        # Many arrays could claim the same bytes of the file.
        bytes_left -= found[name].nbytes
        if bytes_left < 0:
            raise MalformedPickleError("its arrays are larger than the file")
    return found


def _array(symbol: object) -> NDArray[np.generic]:
    if not isinstance(symbol, Call) or not isinstance(symbol.callee, Name):
        raise MalformedPickleError(f"no array but {type(symbol).__name__}")
    name = str(symbol.callee)
    match symbol.arguments, symbol.state:
        # Another class of arrays would be named in place of ndarray.
        case (Name("numpy", "ndarray"), *_), (version, shape, dtype, fortran, data) if (
            name in arrays.RECONSTRUCT
        ):
            whole = (version, shape, _layout(dtype), fortran, _data(data))
            return arrays.reconstruct((), whole)
        case (data, dtype, shape, order), None if name in arrays.FROM_BUFFER:
            return arrays.from_buffer((_data(data), _layout(dtype), shape, order), None)
        case (dtype, data), None if name in arrays.SCALAR:
            return arrays.from_buffer((_data(data), _layout(dtype), (), "C"), None)
    raise MalformedPickleError(f"no whole array but a call of {name}")


def _layout(symbol: object) -> np.dtype[np.generic]:
    match symbol:
        case Call(Name("numpy", "dtype"), arguments, state):
            return arrays.layout(arguments, state)
    raise MalformedPickleError("an array whose type is none of NumPy's")


def _data(symbol: object) -> object:
    match symbol:
        case Call(Name() as callee, arguments, state) if str(callee) in BYTE_STRINGS:
            return BYTE_STRINGS[str(callee)](arguments, state)
    return symbol
