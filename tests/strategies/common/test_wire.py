"""Payloads on the wire: what fits arrives unchanged, and what breaks a rule is named."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from strategies.common.errors import WireError
from strategies.common.inputs import Images
from strategies.common.task import Task
from strategies.common.wire import decode, encode
from tests.strategies.common.example_payload import (
    Means,
    blob_of,
    known,
    read,
    refused,
    same,
    values,
)


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
    with pytest.raises(WireError, match=r"expected finite float16 .* set wire-dtype=float32"):
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


def test_the_axes_follow_the_task() -> None:
    blob = encode(Means(**values()), "float32")
    other = Task(num_classes=4, inputs=Images(3, 2, 2), feature_dim=8)
    with pytest.raises(WireError, match=r"expected \(present=2, feature=8\), got \(2, 5\)"):
        decode(Means, blob, known(other), sender="server")
