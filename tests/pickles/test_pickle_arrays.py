"""numpy's arrays in a pickle: agreement with numpy, and refusals that are told."""

import numpy as np
import pytest

from pickles import arrays
from pickles.byte_strings import BYTE_STRINGS
from pickles.symbols import MalformedPickleError

FLOATS = np.dtype("<f4")
PAIR = np.arange(2)


@pytest.mark.parametrize("order", ["<", ">"])
def test_arrays_are_copies_in_this_machines_byte_order(order: str) -> None:
    whole = np.arange(6, dtype=f"{order}i2").reshape(2, 3)
    kind = arrays.layout(("i2", False, True), (3, order, None, None, None, -1, -1, 0))
    data = bytearray(whole.tobytes("F"))
    found = arrays.from_buffer((memoryview(data), kind, (2, 3), "F"), None)
    data[:] = bytes(len(data))
    assert found.dtype == np.dtype("i2")
    assert found.tolist() == [[0, 1, 2], [3, 4, 5]]


@pytest.mark.parametrize("kind", ["O8", "V16", "S4", "U1", "M8", "c8", "f16", "i3", "<f4", "f4,f4"])
def test_elements_that_are_no_numbers_are_refused(kind: str) -> None:
    with pytest.raises(MalformedPickleError, match=f"type '{kind}', which are no numbers"):
        arrays.layout((kind, False, True), None)


@pytest.mark.parametrize("order", ["", "<f4", None, 3, PAIR])
def test_anything_but_a_byte_order_is_refused(order: object) -> None:
    with pytest.raises(MalformedPickleError, match="unknown layout"):
        arrays.layout(("f4", False, True), (3, order))


@pytest.mark.parametrize("fortran", [PAIR, None, 1])
def test_anything_but_a_flag_is_refused(fortran: object) -> None:
    with pytest.raises(MalformedPickleError, match="unknown layout"):
        arrays.reconstruct((), (1, (1,), FLOATS, fortran, bytes(4)))


def test_an_array_for_the_order_of_axes_is_not_compared() -> None:
    assert arrays.from_buffer((bytes(8), FLOATS, (2,), PAIR), None).tolist() == [0.0, 0.0]


@pytest.mark.parametrize("shape", [(-1,), (True,), (1.0,), [1], (1,) * 9, (0, 1 << 60)])
def test_an_impossible_shape_is_refused(shape: object) -> None:
    with pytest.raises(MalformedPickleError, match="unknown layout"):
        arrays.from_buffer((bytes(4), FLOATS, shape, "C"), None)


def test_bytes_are_counted() -> None:
    with pytest.raises(MalformedPickleError, match="200 numpy elements of 4 bytes in 8 bytes"):
        arrays.from_buffer((bytes(8), FLOATS, (200,), "C"), None)


def test_text_for_bytes_is_latin1() -> None:
    encode = BYTE_STRINGS["_codecs.encode"]
    assert encode(("\x00\xff", "latin1"), None) == b"\x00\xff"
    with pytest.raises(MalformedPickleError, match="that latin1 does not have"):
        encode(("\u0100", "latin1"), None)
    with pytest.raises(MalformedPickleError, match="another encoding"):
        encode(("a", "rot13"), None)
