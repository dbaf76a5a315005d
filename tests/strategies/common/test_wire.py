"""Payloads on the wire: what fits arrives unchanged, and nothing else arrives at all."""

import json
import struct
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest
import safetensors.torch
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from strategies.common.errors import WireError
from strategies.common.task import Task
from strategies.common.wire import MAX_HEADER_BYTES, Payload, Sizes, decode, encode, labels, tensor

TASK = Task(num_classes=4, channels=3, height=2, width=2, feature_dim=5)
STAMP = {"schema": "test.means", "version": "2"}


@dataclass(frozen=True)
class Means(Payload):
    """Class means, an image each, a flag each, and counts by class."""

    schema: ClassVar[str] = "test.means"
    version: ClassVar[int] = 2
    means: Tensor = tensor("float", "present", "feature")
    classes: Tensor = labels("present")
    images: Tensor = tensor("uint8", "present", "channel")
    flags: Tensor = tensor("bool", "present")
    counts: Tensor = tensor("int64", "class")
    hints: Tensor = labels("hint", unique=False)

    @staticmethod
    def sizes(task: Task) -> Sizes:
        return Sizes(
            task.num_classes,
            {"feature": task.feature_dim, "channel": task.channels, "class": task.num_classes},
            {"present": task.num_classes, "hint": 6},
        )


def values(rows: int = 2) -> dict[str, Tensor]:
    return {
        "means": torch.arange(rows * 5, dtype=torch.float32).reshape(rows, 5) / 4,
        "classes": torch.arange(rows).flip(0),
        "images": torch.full((rows, 3), 255, dtype=torch.uint8),
        "flags": torch.ones(rows, dtype=torch.bool),
        "counts": torch.tensor([7, 0, 1, 2]),
        "hints": torch.tensor([3, 3, 0]),
    }


def blob_of(tensors: dict[str, Tensor], stamp: dict[str, str] | None = None) -> bytes:
    return bytes(safetensors.torch.save(tensors, metadata=stamp or STAMP))


def raw(header: object, data: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def read(blob: bytes, wire_dtype: str = "float32") -> Means:
    return decode(Means, blob, TASK, wire_dtype=wire_dtype, sender="client 7 (cnn)")


def refused(blob: bytes, wire_dtype: str = "float32") -> str:
    with pytest.raises(WireError) as caught:
        read(blob, wire_dtype)
    message = str(caught.value)
    assert message.startswith("client 7 (cnn): test.means")
    assert "\n" not in message
    return message


def same(found: Means, sent: dict[str, Tensor]) -> None:
    for name, value in sent.items():
        assert getattr(found, name).dtype == value.dtype
        assert torch.equal(getattr(found, name), value), name


@settings(max_examples=30, deadline=None)
@given(
    rows=st.integers(0, 4),
    hints=st.integers(0, 6),
    wire_dtype=st.sampled_from(["float32", "float16"]),
    seed=st.integers(0, 2**32),
)
def test_what_is_sent_arrives_as_float32(rows: int, hints: int, wire_dtype: str, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    sent = values(rows)
    # Half precision holds these exactly: 11 bits suffice for |n| <= 1024 over a power of two.
    sent["means"] = torch.randint(-1024, 1025, (rows, 5), generator=generator) / 64
    sent["classes"] = torch.randperm(4, generator=generator)[:rows]
    sent["hints"] = torch.randint(0, 4, (hints,), generator=generator)
    same(read(encode(Means(**sent), wire_dtype), wire_dtype), sent)


def test_half_precision_rounds_to_eleven_bits_and_halves_the_bytes() -> None:
    sent = values(4) | {"means": torch.full((4, 5), 1.0 + 2**-11)}
    full, half = encode(Means(**sent), "float32"), encode(Means(**sent), "float16")
    # 1 + 2**-11 lies between 1 and 1 + 2**-10, the next half; the tie goes to the even 1.
    assert torch.equal(read(half, "float16").means, torch.ones(4, 5))
    # 20 floats of 2 bytes instead of 4, and "F16" is as long as "F32" in the header, whose
    # offsets may have another digit; it is padded to 8 bytes.
    assert abs(len(full) - len(half) - 40) <= 8


def test_a_parameter_and_a_view_are_sent_as_plain_numbers() -> None:
    wide = torch.arange(20.0).reshape(4, 5)
    sent = values(2) | {"means": torch.nn.Parameter(wide.flip(0)[::2])}
    found = read(encode(Means(**sent), "float32")).means
    assert torch.equal(found, torch.stack([wide[3], wide[1]]))
    assert not found.requires_grad


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_only_finite_numbers_are_sent(bad: float) -> None:
    sent = values()
    sent["means"][1, 2] = bad
    with pytest.raises(WireError, match=r"test\.means\.means: expected finite float32 values"):
        encode(Means(**sent), "float32")


def test_numbers_too_large_for_half_precision_are_not_sent() -> None:
    sent = values()
    sent["means"][0, 0] = 65504.0  # the largest half
    encode(Means(**sent), "float16")
    sent["means"][0, 0] = 65520.0  # half way to the next power of two: rounds to infinity
    encode(Means(**sent), "float32")
    with pytest.raises(WireError, match=r"expected finite float16 .* use wire-dtype=float32"):
        encode(Means(**sent), "float16")


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("wire_dtype", ["float32", "float16"])
def test_only_finite_numbers_are_taken_in(bad: float, wire_dtype: str) -> None:
    sent = values()
    sent["means"] = sent["means"].to(getattr(torch, wire_dtype))
    sent["means"][1, 4] = bad
    message = refused(blob_of(sent), wire_dtype)
    assert message.endswith(".means: expected finite values, got NaN or infinity")


@pytest.mark.parametrize(
    ("field", "value", "problem"),
    [
        ("means", torch.zeros(2, 6), "expected (present=2, feature=5), got (2, 6)"),
        ("means", torch.zeros(2, 4), "expected (present=2, feature=5), got (2, 4)"),
        ("means", torch.zeros(5, 5), "expected (present<=4, feature=5), got (5, 5)"),
        ("means", torch.zeros(10), "expected (present<=4, feature=5), got (10,)"),
        ("means", torch.zeros(2, 5, 1), "expected (present<=4, feature=5), got (2, 5, 1)"),
        ("counts", torch.zeros(3, dtype=torch.int64), "expected (class=4), got (3,)"),
        ("counts", torch.tensor(3), "expected (class=4), got ()"),
        ("hints", torch.zeros(7, dtype=torch.int64), "expected (hint<=6), got (7,)"),
        # The axis "present" has the length that the first field, means, gave it: 2.
        ("classes", torch.arange(3), "expected (present=2), got (3,)"),
        (
            "images",
            torch.zeros(1, 3, dtype=torch.uint8),
            "expected (present=2, channel=3), got (1, 3)",
        ),
        ("means", torch.zeros(2, 5).half(), "expected torch.float32, got torch.float16"),
        ("means", torch.zeros(2, 5).double(), "expected torch.float32, got torch.float64"),
        ("classes", torch.arange(2).int(), "expected torch.int64, got torch.int32"),
        ("images", torch.zeros(2, 3), "expected torch.uint8, got torch.float32"),
        ("flags", torch.ones(2, dtype=torch.uint8), "expected torch.bool, got torch.uint8"),
        ("classes", torch.tensor([0, 4]), "expected labels in [0, 4), got 0 to 4"),
        ("classes", torch.tensor([-1, 2]), "expected labels in [0, 4), got -1 to 2"),
        ("classes", torch.tensor([2, 2]), "expected each class once, got [2, 2]"),
        ("hints", torch.tensor([1, 4]), "expected labels in [0, 4), got 1 to 4"),
    ],
)
def test_a_field_that_breaks_its_rule_is_refused(field: str, value: Tensor, problem: str) -> None:
    message = refused(blob_of(values() | {field: value}))
    assert message == f"client 7 (cnn): test.means.{field}: {problem}"


def test_fields_are_those_of_the_schema() -> None:
    surplus = values() | {"weights": torch.zeros(1)}
    assert refused(blob_of(surplus)).endswith("unknown field weights")
    lacking = values()
    del lacking["means"], lacking["hints"]
    assert refused(blob_of(lacking)).endswith("missing field hints, means")


@pytest.mark.parametrize(
    "stamp",
    [
        {"schema": "test.medians", "version": "2"},
        {"schema": "test.means", "version": "3"},
        {"schema": "test.means"},
        {"schema": "test.means", "version": "2", "more": "1"},
    ],
)
def test_another_schema_or_version_is_refused(stamp: dict[str, str]) -> None:
    message = refused(blob_of(values(), stamp))
    assert "expected schema test.means version 2, got {" in message
    assert "same version of the app" in message


def test_a_blob_without_a_stamp_is_refused() -> None:
    blob = bytes(safetensors.torch.save(values()))
    assert "version 2, got None" in refused(blob)


def test_an_oversized_blob_is_refused_before_it_is_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    def parse(*_: object) -> None:
        raise AssertionError("parsed")

    monkeypatch.setattr(json, "loads", parse)
    monkeypatch.setattr(safetensors.torch, "load", parse)
    # By hand: means 4x5x4 + classes 4x8 + images 4x3 + flags 4 + counts 4x8 + hints 6x8
    # = 80 + 32 + 12 + 4 + 32 + 48 = 208, the header's allowance and its length.
    most = 208 + MAX_HEADER_BYTES + 8
    genuine = encode(Means(**values(4)), "float32")
    message = refused(genuine + b"\0" * (10 * most - len(genuine)))
    assert message.endswith(f"expected at most {most} bytes, got {10 * most}")
    assert refused(b"\0" * (most + 1)).endswith(f"got {most + 1}")
    # Half precision allows 4x5 numbers two bytes less each.
    assert f"at most {most - 40} bytes" in refused(b"\0" * most, "float16")


def test_a_truncated_blob_is_refused_at_every_length() -> None:
    blob = encode(Means(**values()), "float32")
    for length in range(len(blob)):
        refused(blob[:length])
    refused(blob + b"\0")


@pytest.mark.parametrize("length", [0, 8, 10**4, 2**40, 2**63, 2**64 - 1])
def test_a_header_that_lies_about_its_length_is_refused(length: int) -> None:
    blob = encode(Means(**values()), "float32")
    refused(struct.pack("<Q", length) + blob[8:])


def test_a_header_longer_than_allowed_is_refused_though_it_is_there() -> None:
    header = {"__metadata__": STAMP, "pad": "x" * MAX_HEADER_BYTES}
    most = 208 + MAX_HEADER_BYTES + 8
    blob = raw(header)
    assert len(blob) <= most
    assert "expected a header within the blob" in refused(blob)


@pytest.mark.parametrize(
    ("header", "problem"),
    [
        (b"hello", "expected a JSON header"),
        (b"\xff\xfe\xfd", "expected a JSON header"),
        (b"[" * 4000, "expected a JSON header"),
        (b"[1]", "expected a JSON object as header, got list"),
        (b"null", "expected a JSON object as header, got NoneType"),
        (b"", "expected a JSON header"),
    ],
)
def test_a_header_that_is_no_json_object_is_refused(header: bytes, problem: str) -> None:
    assert problem in refused(raw(header))


def entry(dtype: str, shape: list[int], start: int, stop: int) -> dict[str, object]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, stop]}


@pytest.mark.parametrize(
    "means",
    [
        entry("F4", [2, 4], 0, 4),
        entry("F8_E8M0", [4], 0, 4),
        entry("F99", [1], 0, 4),
        entry("F32", [2**63, 0], 0, 0),
        entry("F32", [2**40, 2**40], 0, 4),
        entry("F32", [1], 0, 400),
        entry("F32", [1], 4, 0),
        entry("F32", [-1], 0, 4),
        {"dtype": "F32"},
        {},
    ],
)
def test_an_entry_the_library_stumbles_over_is_a_wire_error(means: dict[str, object]) -> None:
    """Anything else than a WireError would end the whole run for one device's nonsense."""
    stop = int(means.get("data_offsets", [0, 0])[1])  # type: ignore[index]
    rest = {name: entry("U8", [0], stop, stop) for name in values() if name != "means"}
    refused(raw({"__metadata__": STAMP, "means": means, **rest}, b"\0" * 4))


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=600))
def test_random_bytes_are_refused(blob: bytes) -> None:
    refused(blob)


JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)


@settings(max_examples=150, deadline=None)
@given(
    fields=st.dictionaries(
        st.sampled_from([*values(), "__metadata__", "x"]),
        st.fixed_dictionaries(
            {
                "dtype": st.sampled_from(["F32", "F4", "F8_E8M0", "I64", "U8", "BOOL", "C64"]),
                "shape": st.lists(st.integers(-1, 2**65) | st.integers(0, 5), max_size=3),
                "data_offsets": st.lists(st.integers(0, 9), min_size=2, max_size=2),
            }
        )
        | JSON,
    ),
    data=st.binary(max_size=16),
)
def test_invented_headers_are_refused(fields: dict[str, Any], data: bytes) -> None:
    refused(raw({"__metadata__": STAMP, **fields}, data))


@settings(max_examples=200, deadline=None)
@given(place=st.integers(min_value=0), byte=st.integers(0, 255))
def test_a_changed_byte_gives_a_payload_within_its_rules_or_is_refused(
    place: int, byte: int
) -> None:
    blob = bytearray(encode(Means(**values()), "float32"))
    blob[place % len(blob)] = byte
    try:
        found = read(bytes(blob))
    except WireError:
        return
    assert found.means.shape == (2, 5)
    assert bool(found.means.isfinite().all())
    assert set(found.classes.tolist()) <= {0, 1, 2, 3}
    assert found.counts.shape == (4,)


def test_the_axes_follow_the_task() -> None:
    blob = encode(Means(**values()), "float32")
    other = Task(num_classes=4, channels=3, height=2, width=2, feature_dim=8)
    with pytest.raises(WireError, match=r"expected \(present=2, feature=8\), got \(2, 5\)"):
        decode(Means, blob, other, wire_dtype="float32", sender="server")


def test_the_order_of_fields_on_the_wire_does_not_matter() -> None:
    sent = values()
    header = {
        "__metadata__": STAMP,
        "counts": entry("I64", [4], 0, 32),
        "classes": entry("I64", [2], 32, 48),
        "hints": entry("I64", [3], 48, 72),
        "means": entry("F32", [2, 5], 72, 112),
        "flags": entry("BOOL", [2], 112, 114),
        "images": entry("U8", [2, 3], 114, 120),
    }
    names = [name for name in header if name != "__metadata__"]
    data = b"".join(sent[name].numpy().tobytes() for name in names)
    same(read(raw(header, data)), sent)
