import io
import os
import pickle
import struct
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.lib import format as npy

from client_app.data import npz
from strategies.common.errors import DataError


class _Call:
    """Pickles as a call, which plain unpickling executes."""

    def __init__(self, function: Callable[..., object], *arguments: object) -> None:
        self._call = (function, arguments)

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return self._call


def _archive(path: Path, pickled: bytes) -> Path:
    contents = io.BytesIO()
    npy.write_array_header_1_0(contents, {"descr": "|O", "fortran_order": False, "shape": ()})
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("data.npy", contents.getvalue() + pickled)
    return path


def _wrapped(value: object) -> np.ndarray:
    array = np.empty((), dtype=object)
    array[()] = value
    return array


def _attacks(target: Path) -> dict[str, Callable[[], object]]:
    code = f"open({str(target)!r}, 'w').close()"
    numbers = np.zeros((2, 1), dtype=np.float32)
    nested = np.empty(2, dtype=object)
    nested[:] = [_Call(os.system, f"touch {target}"), 0]
    return {
        "posix.system": lambda: _Call(os.system, f"touch {target}"),
        "builtins.eval": lambda: _Call(eval, code),
        "builtins.exec": lambda: {"x": numbers, "y": _Call(exec, code)},
        "subprocess.call": lambda: {"x": _Call(subprocess.call, ["touch", str(target)])},
        "object array in x": lambda: {"x": nested, "y": numbers},
        "key of the dict": lambda: {_Call(os.system, f"touch {target}"): numbers},
        "numpy's own file writer": lambda: _Call(np.ndarray.tofile, numbers, str(target)),
    }


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
@pytest.mark.parametrize("name", list(_attacks(Path("x"))))
def test_nothing_is_executed(tmp_path: Path, name: str, protocol: int) -> None:
    target = tmp_path / "side-effect"
    pickled = pickle.dumps(_wrapped(_attacks(target)[name]()), protocol=protocol)
    path = _archive(tmp_path / "0.npz", pickled)
    # The attack is real: NumPy's own loader carries it out.
    try:
        with np.load(path, allow_pickle=True) as archive:
            archive["data"]
    except TypeError:
        pass  # what a call returns need not fit where it stands; it has been made
    assert target.exists()
    target.unlink()
    with pytest.raises(DataError, match=r"0.npz: the pickle .* forbidden"):
        npz.read(path)
    assert not target.exists()


@pytest.mark.parametrize("name", ["posix.system", "builtins.eval"])
def test_the_forbidden_name_is_said(tmp_path: Path, name: str) -> None:
    call = _attacks(tmp_path / "side-effect")[name]()
    np.savez(tmp_path / "0.npz", data=_wrapped(call))
    with pytest.raises(DataError, match=f"asks for '{name}', which is forbidden"):
        npz.read(tmp_path / "0.npz")


def _global(module: str, name: str) -> bytes:
    return f"c{module}\n{name}\n".encode()


RECONSTRUCT = _global("numpy.core.multiarray", "_reconstruct")
NDARRAY, DTYPE = _global("numpy", "ndarray"), _global("numpy", "dtype")
ENCODE = _global("_codecs", "encode")
EMPTY = RECONSTRUCT + b"(" + NDARRAY + b"K\x00\x85C\x01btR"
OBJECTS = DTYPE + b"(X\x02\x00\x00\x00O8\x89\x88tR"
FLOATS = DTYPE + b"(X\x02\x00\x00\x00f4\x89\x88tR"
FORGED = b"(K\x03X\x01\x00\x00\x00|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"


def _saved(x: bytes) -> bytes:
    """Pickle a 0-d object array of {"x": ...}, written by hand."""
    wrapped = b"]}X\x01\x00\x00\x00x" + x + b"sa"
    return b"\x80\x03" + EMPTY + b"(K\x01)" + OBJECTS + b"\x89" + wrapped + b"tb."


def _state(dtype: bytes, contents: bytes, count: int = 1) -> bytes:
    return b"(K\x01K" + bytes([count]) + b"\x85" + dtype + b"\x89" + contents + b"tb"


RAW = b"C\x08AAAAAAAA"


def test_the_hand_written_pickle_is_sound(tmp_path: Path) -> None:
    order = b"(K\x03X\x01\x00\x00\x00<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    pickled = _saved(EMPTY + _state(FLOATS + order, b"C\x04\x00\x00\x80\x3f"))
    path = _archive(tmp_path / "0.npz", pickled)
    assert npz.read(path)["x"].tolist() == [1.0]
    with np.load(path, allow_pickle=True) as archive:
        assert archive["data"][()]["x"].tolist() == [1.0]


def test_numpy_itself_accepts_forged_flags() -> None:
    # Why an allow-list alone is not enough: without its flags an object dtype no longer says
    # that it holds references, and an array of it would take bytes for pointers.
    dtype = np.dtype("O8", copy=True)
    dtype.__setstate__((3, "|", None, None, None, -1, -1, 0))
    assert dtype.flags == 0


@pytest.mark.parametrize(
    ("x", "complaint"),
    [
        # Raw bytes as the pointers of an object array.
        (EMPTY + _state(OBJECTS + FORGED, RAW), "'x' is numpy elements of type 'O8'"),
        (EMPTY + _state(OBJECTS, b"]"), "elements of type 'O8'"),
        # Another class than ndarray to be rebuilt, a call of ndarray, and changed globals.
        (
            RECONSTRUCT + b"(" + DTYPE + b"K\x00\x85C\x01btR" + _state(FLOATS, b"C\x04AAAA"),
            "no whole array but a call of numpy.core.multiarray._reconstruct",
        ),
        (NDARRAY + b"(K\x7f\x85tR", "a call of numpy.ndarray"),
        (NDARRAY + b"}X\x08\x00\x00\x00__call__Nsb", "a state for Name, which has none"),
        # Dtypes with fields, strings or metadata.
        (
            EMPTY + _state(DTYPE + b"(X\x03\x00\x00\x00V16\x89\x88tR", RAW),
            "elements of type 'V16'",
        ),
        (EMPTY + _state(DTYPE + b"(" + NDARRAY + b"\x89\x88tR", RAW), "an unknown layout"),
        (EMPTY + _state(NDARRAY, RAW), "whose type is none of NumPy's"),
        # More elements than bytes, and no state at all.
        (EMPTY + _state(FLOATS, RAW, count=200), "200 numpy elements of 4 bytes in 8"),
        (EMPTY, "'x' is no whole array"),
        # Bytes through another codec than pickle itself uses.
        (EMPTY + _state(FLOATS, ENCODE + b"(X\x01\x00\x00\x00aX\x03\x00\x00\x00zlbtR"), "latin1"),
        # Instructions that NumPy never writes: instances, extensions, persistent objects.
        (b"(iposix\nsystem\n", "asks for 'posix.system', which is forbidden"),
        (b"\x82\x01", "EXT1 is not allowed"),
        (b"Px\n", "PERSID is not allowed"),
        (b"K\x01Q", "a persistent id"),
        (NDARRAY + b")\x81", "a call of numpy.ndarray"),
        (RECONSTRUCT + b")R)R", "no array but Call"),
        # A memo entry far out, for which Python's unpickler takes gigabytes.
        (b"Nr\xff\xff\xff\x7f", "'x' is no array but NoneType"),
        (b"N0" * 6000, "more than 10000 opcodes"),
        (b"N\x94" * 6000, "more than 10000 opcodes"),
        (b"K\x05", "'x' is no array but int"),
    ],
)
def test_tricks_with_allowed_names(tmp_path: Path, x: bytes, complaint: str) -> None:
    with pytest.raises(DataError, match=complaint):
        npz.read(_archive(tmp_path / "0.npz", _saved(x)))


@pytest.mark.parametrize(
    ("depth", "complaint"),
    [(9_000, "a key that is no text"), (300_000, "more than 10000 opcodes")],
)
def test_nested_tuples_as_a_key_are_not_hashed(tmp_path: Path, depth: int, complaint: str) -> None:
    # Python's unpickler hashes them: deep enough, they overflow the C stack and kill the process.
    numbers = EMPTY + _state(FLOATS, b"C\x04AAAA")
    pickled = _saved(numbers + b"s)" + b"\x85" * depth + numbers)
    with pytest.raises(DataError, match=complaint):
        npz.read(_archive(tmp_path / "0.npz", pickled))


def test_arrays_cannot_claim_the_same_bytes_again_and_again(tmp_path: Path) -> None:
    # 100 kB that a few bytes each name a hundred times.
    contents = b"B" + (100_000).to_bytes(4, "little") + bytes(100_000) + b"q\x00"
    bytes_ = DTYPE + b"(X\x02\x00\x00\x00u1\x89\x88tR"
    array = EMPTY + b"(K\x01J" + (100_000).to_bytes(4, "little") + b"\x85" + bytes_ + b"\x89"
    more = b"".join(
        b"sX\x02\x00\x00\x00%02d" % number + array + b"h\x00tb" for number in range(100)
    )
    once = _archive(tmp_path / "1.npz", _saved(array + contents + b"tb"))
    assert npz.read(once)["x"].nbytes == 100_000
    with pytest.raises(DataError, match="arrays are larger than the file"):
        npz.read(_archive(tmp_path / "0.npz", _saved(array + contents + b"tb" + more)))


@pytest.mark.parametrize("value", [7, [1, 2], "text", None, np.zeros(3)])
def test_anything_but_a_dict_is_refused(tmp_path: Path, value: object) -> None:
    np.savez(tmp_path / "0.npz", data=_wrapped(value))
    with pytest.raises(DataError, match="expected one pickled dict"):
        npz.read(tmp_path / "0.npz")


def test_a_plain_array_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "0.npz", data=np.zeros(3))
    with pytest.raises(DataError, match=r"got an array of float64 with shape \(3,\)"):
        npz.read(tmp_path / "0.npz")


@pytest.mark.parametrize("pickled", [b"", b".", b"\x80\x04", b"\x80\x04N.", b"garbage" * 9])
def test_a_broken_pickle_is_refused(tmp_path: Path, pickled: bytes) -> None:
    with pytest.raises(DataError, match=r"0.npz: "):
        npz.read(_archive(tmp_path / "0.npz", pickled))


def test_a_broken_archive_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "0.npz"
    with pytest.raises(DataError, match=r"0.npz: expected an .npz file"):
        npz.read(path)
    np.savez_compressed(path, data=_wrapped({"x": np.arange(1000)}))
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"0.npz: expected an .npz file"):
        npz.read(path)
    np.savez_compressed(path, other=np.arange(3))
    with pytest.raises(DataError, match=r"member data.npy"):
        npz.read(path)


def test_a_bomb_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "0.npz"
    zeros = np.zeros(100_000, dtype=np.uint8)
    np.savez_compressed(path, data=_wrapped({"x": zeros}))
    assert path.stat().st_size < 2000
    monkeypatch.setattr(npz, "MAX_MEMBER_BYTES", 50_000)
    with zipfile.ZipFile(path) as archive:
        unpacked = archive.getinfo("data.npy").file_size
    with pytest.raises(DataError, match=f"at most 50000 bytes unpacked, data.npy says {unpacked}"):
        npz.read(path)
    # An archive that lies about the size is read up to its lie, and then does not add up.
    lying = path.read_bytes().replace(struct.pack("<I", unpacked), struct.pack("<I", 40_000))
    path.write_bytes(lying)
    with zipfile.ZipFile(path) as archive:
        assert archive.getinfo("data.npy").file_size == 40_000
    with pytest.raises(DataError, match=r"0.npz: expected an .npz file"):
        npz.read(path)


@given(
    dtype=st.sampled_from(["<f4", ">f4", "f8", "f2", "<i8", ">i2", "u1", "?"]),
    shape=st.lists(st.integers(1, 4), min_size=0, max_size=4),
    fortran=st.booleans(),
    protocol=st.sampled_from([2, 3, 4, 5]),
)
@settings(max_examples=40, deadline=None)
def test_numbers_arrive_as_they_were(
    tmp_path_factory: pytest.TempPathFactory,
    dtype: str,
    shape: list[int],
    fortran: bool,
    protocol: int,
) -> None:
    count = int(np.prod(shape))
    x = np.asarray(np.arange(count).reshape(shape), dtype=dtype, order="F" if fortran else "C")
    saved = _wrapped({"x": x, "n": np.int64(count)})
    pickled = pickle.dumps(saved, protocol=protocol)
    found = npz.read(_archive(tmp_path_factory.mktemp("npz") / "0.npz", pickled))
    assert found["x"].dtype == x.dtype.newbyteorder("=")
    assert found["x"].shape == x.shape
    assert np.array_equal(found["x"], x)
    assert found["x"].flags.writeable
    assert found["n"].dtype == np.int64
    assert int(found["n"]) == count
