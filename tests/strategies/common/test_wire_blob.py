"""Blobs from strangers: whatever they hold, nothing but a WireError comes of it."""

import json
import struct
from typing import Any

import pytest
import safetensors.torch
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from strategies.common.errors import WireError
from strategies.common.wire import MAX_HEADER_BYTES, encode
from tests.strategies.common.example_payload import (
    STAMP,
    Means,
    blob_of,
    entry,
    raw,
    read,
    refused,
    same,
    values,
)


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


@pytest.mark.parametrize("made_up", ["\n", "\x1b[31mred", 900 * "é"])
def test_what_a_sender_made_up_is_repeated_in_one_short_plain_line(made_up: str) -> None:
    declared = {"dtype": made_up, "shape": [2, 5], "data_offsets": [0, 40]}
    for fields in ({"__metadata__": made_up}, {"__metadata__": STAMP, made_up: {}}):
        told = refused(raw(fields, b""))
        assert told.isascii()
        assert told.isprintable()
        assert len(told) < 400
    told = refused(raw({"__metadata__": STAMP, **dict.fromkeys(values(), declared)}, b""))
    assert told.isascii()
    assert told.isprintable()
    assert len(told) < 400


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
