"""Nested storages and the tensors that look into them, against torch's own."""

import io
import pickle
import struct
from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from generators.stylegan.storages import (
    MAX_AXES,
    Storage,
    load,
    read_storage,
    rebuild_parameter,
    rebuild_tensor,
)
from pickles.symbols import MalformedPickleError
from tests.generators.stylegan.published import storage_bytes

DTYPES = (
    torch.float32,
    torch.float64,
    torch.float16,
    torch.bfloat16,
    torch.int64,
    torch.int32,
    torch.int16,
    torch.int8,
    torch.uint8,
    torch.bool,
)


def read(content: bytes) -> Storage:
    return read_storage(memoryview(content))


def whole(storage: Storage) -> Tensor:
    return storage.view(0, (len(storage.elements),), (1,))


@pytest.mark.parametrize("cuda", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_type_is_read_as_torch_wrote_it(dtype: torch.dtype, cuda: bool) -> None:
    values = torch.tensor([0, 1, 2, 3, 100]).to(dtype)
    content = storage_bytes(values, cuda=cuda)
    assert (b"cuda:0" in content) == cuda
    found = whole(read(content))
    assert found.dtype == dtype
    assert torch.equal(found, values)


def test_torchs_own_loader_reads_the_same() -> None:
    values = torch.randn(7, generator=torch.Generator().manual_seed(0))
    content = storage_bytes(values)
    reference = torch.load(io.BytesIO(content), weights_only=False)
    assert torch.equal(whole(read(content)), torch.empty(0).set_(reference))


def test_nothing_is_an_element_too() -> None:
    assert whole(read(storage_bytes(torch.empty(0)))).shape == (0,)


@given(st.data())
def test_views_are_those_of_torch(data: st.DataObject) -> None:
    base = torch.arange(60.0)
    axes = data.draw(st.integers(0, 3))
    size = tuple(data.draw(st.integers(0, 5)) for _ in range(axes))
    stride = tuple(data.draw(st.integers(0, 12)) for _ in range(axes))
    offset = data.draw(st.integers(0, 62))
    storage = read(storage_bytes(base))
    elements = torch.Size(size).numel()
    last = offset + sum((length - 1) * step for length, step in zip(size, stride, strict=True))
    if elements > 60 or (elements and last > 59):
        with pytest.raises(MalformedPickleError, match="in a storage of 60 elements"):
            storage.view(offset, size, stride)
        return
    found = storage.view(offset, size, stride)
    assert found.shape == size
    if elements:
        assert torch.equal(found, base.as_strided(size, stride, offset))
    assert found.is_contiguous()


def test_tensors_own_their_memory() -> None:
    content = bytearray(storage_bytes(torch.ones(3)))
    found = whole(read(bytes(content)))
    found += 1
    assert found.tolist() == [2.0, 2.0, 2.0]


@pytest.mark.parametrize(
    ("offset", "size", "stride"),
    [
        (0, (5,), (1,)),
        (1, (4,), (1,)),
        (4, (1,), (1,)),
        (4, (), ()),
        (0, (2, 2), (2, 2)),
        (0, (2,), (4,)),
        (-1, (1,), (1,)),
        (0, (-1,), (1,)),
        (0, (2,), (-1,)),
        (0, (2, 2), (1,)),
        (0, (2.0,), (1,)),
        (0, (True,), (1,)),
        (0, [2], [1]),
        (None, (2,), (1,)),
        (0, (2**40,), (0,)),
        (0, (2**62, 2**62, 0), (1, 1, 1)),
        (0, (1,) * (MAX_AXES + 1), (1,) * (MAX_AXES + 1)),
        (2**80, (1,), (1,)),
    ],
)
def test_a_view_outside_of_its_storage_is_refused(
    offset: object, size: object, stride: object
) -> None:
    with pytest.raises(MalformedPickleError):
        read(storage_bytes(torch.ones(4))).view(offset, size, stride)


def test_a_step_that_is_never_made_may_be_any_number() -> None:
    found = read(storage_bytes(torch.arange(4.0))).view(2, (1, 2), (2**200, 1))
    assert found.tolist() == [[2.0, 3.0]]


def described(
    key: object,
    *,
    magic: int = 0x1950A86A20F9469CFC6C,
    protocol: int = 1001,
    little_endian: object = True,
    keys: object = ("1",),
    tail: bytes = struct.pack("<q2f", 2, 1.0, 2.0),
) -> bytes:
    """Write a nested storage by hand."""

    class Pickler(pickle.Pickler):
        def persistent_id(self, obj: object) -> object:
            return key if obj is key else None

    file = io.BytesIO()
    for value in (magic, protocol, {"little_endian": little_endian}):
        pickle.dump(value, file, protocol=2)
    Pickler(file, protocol=2).dump(key)
    pickle.dump(list(keys), file, protocol=2)
    return file.getvalue() + tail


def key(kind: object = torch.FloatStorage, name: object = "1", count: object = 2) -> object:
    return ("storage", kind, name, "cpu", count, None)


def test_the_hand_written_storage_is_a_good_one() -> None:
    assert whole(read(described(key()))).tolist() == [1.0, 2.0]


REFUSED: dict[str, Callable[[], bytes]] = {
    "magic number": lambda: described(key(), magic=1),
    "protocol": lambda: described(key(), protocol=1002),
    "big-endian": lambda: described(key(), little_endian=False),
    "no facts": lambda: described(key(), little_endian=None),
    "other keys": lambda: described(key(), keys=("2",)),
    "more keys": lambda: described(key(), keys=("1", "2")),
    "a type that is no storage": lambda: described(key(torch.nn.Linear)),
    "quantised": lambda: described(key(torch.QInt8Storage)),
    "a function": lambda: described(key(torch.load)),
    "no name": lambda: described(key(name=1)),
    "a negative count": lambda: described(key(count=-2)),
    "a count that is no int": lambda: described(key(count=2.0)),
    "another count": lambda: described(key(count=3)),
    "a huge count": lambda: described(key(count=2**62)),
    "a huge stated count": lambda: described(key(), tail=struct.pack("<q2f", 2**62, 1.0, 2.0)),
    "too few elements": lambda: described(key(), tail=struct.pack("<q1f", 2, 1.0)),
    "too many elements": lambda: described(key(), tail=struct.pack("<q3f", 2, 1.0, 2.0, 3.0)),
    "no count": lambda: described(key(), tail=b"\2"),
    "a view": lambda: described(("storage", torch.FloatStorage, "1", "cpu", 2, ("2", 0, 2))),
    "a module": lambda: described(("module", torch.FloatStorage, "1", "cpu")),
    "no tuple": lambda: described("storage"),
    "nothing": bytes,
    "a new file of torch.save": lambda: b"PK\x03\x04",
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_broken_storage_is_refused(name: str) -> None:
    with pytest.raises(MalformedPickleError):
        read(REFUSED[name]())


def test_a_storage_that_is_cut_anywhere_is_refused() -> None:
    content = storage_bytes(torch.ones(2))
    for length in range(len(content)):
        with pytest.raises(MalformedPickleError):
            read(content[:length])


def test_a_long_header_is_refused() -> None:
    with pytest.raises(MalformedPickleError, match="more than 1000 opcodes"):
        read(described(key(), keys=tuple(map(str, range(2000)))))


@pytest.mark.parametrize("function", [load, rebuild_tensor, rebuild_parameter])
@pytest.mark.parametrize("arguments", [(), (None,), ("text",), (1, 2, 3, 4), (Tensor,)])
def test_other_arguments_are_refused(
    function: Callable[[tuple[object, ...], object], object], arguments: tuple[object, ...]
) -> None:
    with pytest.raises(MalformedPickleError):
        function(arguments, None)
