"""Reading whole network pickles: what comes out."""

import re
import struct
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from generators.stylegan import restoration
from generators.stylegan.records import Record
from generators.stylegan.restoration import MAX_DEPTH, NETWORK_CLASSES, Unknown
from generators.stylegan.unpickling import read, read_bytes
from pickles.opcodes import parse
from strategies.common.errors import GeneratorError
from tests.generators.stylegan.published import (
    SOURCE,
    Global,
    Published,
    Raw,
    Reduction,
    dump,
    publish,
    storage_bytes,
)

WEIGHT = torch.arange(6.0).reshape(2, 3).t()  # a view that is not contiguous


def generator(**attributes: object) -> Published:
    embed = nn.Embedding(3, 2)
    nn.init.constant_(embed.weight, 4.0)
    mapping = Published(
        "MappingNetwork",
        {"z_dim": 8, "w_avg_beta": np.float32(0.5)},
        {"weight": WEIGHT, "bias": None},
        {"w_avg": torch.tensor(7.0), "steps": torch.tensor([1, 2])},
        {"embed": embed, "absent": None},
    )
    return Published("Generator", attributes, modules={"mapping": mapping})


def tensors(record: Record) -> dict[str, Tensor]:
    found = {}
    for part in record.children().values():
        for table in ("_parameters", "_buffers"):
            entries = part.state[table]
            assert isinstance(entries, dict)
            found.update({f"{part.path}.{name}": value for name, value in entries.items()})
    return found


# What comes out


@pytest.mark.parametrize("cuda", [False, True])
@pytest.mark.parametrize("dilled", [False, True])
@pytest.mark.parametrize("protocol", range(2, 6))
def test_a_network_is_read_however_it_was_pickled(
    protocol: int, dilled: bool, cuda: bool, tmp_path: Path
) -> None:
    path = tmp_path / "network.pkl"
    path.write_bytes(publish(generator(), protocol=protocol, dilled=dilled, cuda=cuda))
    root = read(path)
    assert (root.path, root.class_name, list(root.children())) == ("", "Generator", ["mapping"])
    mapping = root.child("mapping")
    assert (mapping.path, mapping.class_name) == ("mapping", "MappingNetwork")
    assert mapping.integer("z_dim") == 8
    assert mapping.number("w_avg_beta") == 0.5
    assert torch.equal(mapping.tensor("weight"), WEIGHT)
    assert not mapping.has_tensor("bias")
    assert mapping.tensor("w_avg").shape == ()
    assert mapping.tensor("steps").tolist() == [1.0, 2.0]
    assert mapping.child("embed").class_name == "Embedding"
    assert mapping.child("embed").tensor("weight").tolist() == [[4.0, 4.0]] * 3
    assert not mapping.has_child("absent")


ATTRIBUTES = {
    "whole": 3,
    "large": 2**60,
    "half": 0.5,
    "yes": True,
    "none": None,
    "text": "skip",
    "bytes": b"\x00\xff",
    "list": [1, [2.0, "three"]],
    "tuple": (4, (5,)),
    "dict": {"six": 7},
    "ordered": OrderedDict(eight=9),
    "set": {"ten"},
    "empty_set": set(),
    "numpy_whole": np.int64(11),
    "numpy_half": np.float64(0.5),
    "numpy_yes": np.bool_(True),
}


@pytest.mark.parametrize("dilled", [False, True])
@pytest.mark.parametrize("protocol", range(2, 6))
def test_attributes_keep_their_values_and_types(protocol: int, dilled: bool) -> None:
    root = read_bytes(publish(generator(**ATTRIBUTES), protocol=protocol, dilled=dilled), "x")
    for name, value in ATTRIBUTES.items():
        wanted = value.item() if isinstance(value, np.generic) else value
        assert root.attribute(name) == wanted
        plain = {set: frozenset, OrderedDict: dict}
        assert type(root.attribute(name)) is plain.get(type(wanted), type(wanted))


@pytest.mark.parametrize("dilled", [False, True])
@pytest.mark.parametrize("protocol", range(2, 6))
@pytest.mark.parametrize(
    "array",
    [
        np.array([1.5, 2.5]),
        np.arange(6, dtype=np.int16).reshape(2, 3),
        np.asfortranarray(np.arange(6.0, dtype=np.float32).reshape(2, 3)),
        np.array([1, 2], dtype=">i4"),
        np.array([True, False]),
        np.array(3.0),
        np.empty((0, 3)),
    ],
    ids=lambda array: f"{array.dtype}{array.shape}",
)
def test_arrays_are_those_of_numpy(protocol: int, dilled: bool, array: np.ndarray) -> None:
    content = publish(generator(array=array), protocol=protocol, dilled=dilled)
    found = read_bytes(content, "x").attribute("array")
    assert isinstance(found, np.ndarray)
    assert found.dtype == array.dtype.newbyteorder("=")
    np.testing.assert_array_equal(found, array)


@pytest.mark.parametrize("package", ["numpy.core", "numpy._core"])
def test_numpys_modules_have_two_names(package: str) -> None:
    layout = Reduction(Global("numpy", "dtype"), ("f8", False, True))
    number = Reduction(Global(f"{package}.multiarray", "scalar"), (layout, struct.pack("<d", 0.25)))
    assert read_bytes(publish(generator(number=number)), "x").number("number") == 0.25


def test_raw_opcodes_and_dumps_agree() -> None:
    assert parse(memoryview(dump([Raw(b"K\x07")], protocol=2)))[0] == [7]


def test_only_the_averaged_generator_is_rebuilt() -> None:
    broken = {
        "G": Raw(b"cos\nsystem\n"),
        "D": Published("Discriminator", {"z": Raw(b"cos\nnone\n")}),
    }
    root = read_bytes(publish(generator(), extra=broken), "x")
    assert torch.equal(root.child("mapping").tensor("weight"), WEIGHT)


def test_the_source_inside_a_file_is_neither_run_nor_kept() -> None:
    content = publish(generator())
    assert SOURCE.encode() in content
    with pytest.raises(RuntimeError, match="was executed"):
        exec(SOURCE)
    assert SOURCE not in repr(read_bytes(content, "x"))


def test_a_shared_tensor_is_rebuilt_once() -> None:
    weight = nn.Parameter(WEIGHT)
    root = Published("Generator", parameters={"first": weight, "second": weight})
    state = read_bytes(publish(root), "x").state["_parameters"]
    assert isinstance(state, dict)
    assert state["first"] is state["second"]


def test_objects_that_are_no_data_are_inert_and_named() -> None:
    odd = generator(kind=Global("torch", "float16"), clock=Reduction(Global("time", "time")))
    root = read_bytes(publish(odd), "x")
    assert root.attribute("kind") == Unknown("torch.float16")
    assert root.attribute("clock") == Unknown("time.time")
    with pytest.raises(GeneratorError, match="expected a number 'clock', got Unknown"):
        root.number("clock")


def test_every_class_of_a_published_generator_is_known() -> None:
    for name in NETWORK_CLASSES:
        assert read_bytes(publish(Published(name)), "x").class_name == name


@pytest.mark.parametrize("value", [float("inf"), float("nan"), np.float32("inf")])
def test_numbers_are_finite(value: object) -> None:
    root = read_bytes(publish(generator(clamp=value)), "x")
    for function in (root.number, root.integer):
        with pytest.raises(GeneratorError, match="expected a finite number 'clamp'"):
            function("clamp")


# What is refused inside of a network


def refused(tree: object, reason: str) -> None:
    with pytest.raises(GeneratorError, match=re.escape(reason)) as caught:
        read_bytes(publish(tree), "file.pkl")
    assert str(caught.value).startswith("file.pkl: expected a")
    assert "\n" not in str(caught.value)


UNFIT = Reduction(Global("os", "system"), ("true",))


@pytest.mark.parametrize(
    ("tree", "reason"),
    [
        (Published("Generator", parameters={"w": UNFIT}), "w is 'os.system' where a tensor"),
        (Published("Generator", buffers={"w": 3}), "w is 'int' where a tensor"),
        (Published("Generator", modules={"m": UNFIT}), "m is 'os.system' where a StyleGAN module"),
        (Published("Generator", modules={"m": Published("Os")}), "m is 'Os' where a StyleGAN"),
        (Published("Generator", modules={"m": nn.Linear(1, 1)}), "m is 'torch.nn.modules.linear"),
        (Published("Generator", modules={"a\x1b[2J": None}), r"a part named 'a\x1b[2J'"),
        (Published("Generator", {"_modules": 3}), "the network has no dictionary"),
        (Published("Generator", {"_parameters": UNFIT}), "the network has no dictionary"),
        (Published("Discriminator"), "as G_ema, got 'Discriminator'"),
        (UNFIT, "as G_ema, got 'os.system'"),
        ({}, "as G_ema, got 'dict'"),
        (None, "as G_ema, got 'NoneType'"),
        (torch.ones(1), "as G_ema, got 'Tensor'"),
        (
            Reduction(Global("torch_utils.persistence", "_reconstruct_persistent_obj"), ("x",)),
            "stored in an unknown layout",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_no_generator_is_refused(tree: object, reason: str) -> None:
    refused(tree, reason)


def test_a_network_that_contains_itself_is_refused() -> None:
    root = Published("Generator")
    children: list[object] = []
    children.append(children)
    root.attributes["children"] = children
    refused(root, "children contains itself or is nested too deeply")


def test_depth_is_bounded() -> None:
    nested: object = []
    for _ in range(MAX_DEPTH):
        nested = [nested]
    refused(generator(nested=nested), "nested too deeply")
    # Python's own recursion limit must not be met before ours.
    deep = Raw(b"]" * 100_000 + b"a" * 99_999)
    refused(generator(nested=deep), "nested too deeply")
    read_bytes(publish(generator(), extra={"D": deep}), "x")


@pytest.mark.timeout(60)
def test_containers_that_hold_each_other_twice_are_counted() -> None:
    # 2**50 lists if walked over as a tree, which is what a message or a check does.
    laughs = Raw(b"]" + b"2\x86" * 50)
    refused(generator(laughs=laughs), f"holds more than {restoration.MAX_OBJECTS} objects")


def test_tensors_cannot_claim_more_bytes_than_the_file_has() -> None:
    storage = Reduction(
        Global("torch.storage", "_load_from_bytes"), (storage_bytes(torch.zeros(2_000)),)
    )
    rebuild = Global("torch._utils", "_rebuild_tensor_v2")
    many = {
        f"w{number}": Reduction(rebuild, (storage, 0, (2_000,), (1,), False, None))
        for number in range(10)
    }
    refused(Published("Generator", buffers=many), "makes the tensors larger than the file")
