"""Check 29 of federated distillation: answers of the likeliest classes, in few bits."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from strategies.common.coarse import Coarse, packed, unpacked
from strategies.common.errors import WireError
from strategies.common.inputs import Images
from strategies.common.open_data import OpenSet
from strategies.common.task import Task
from strategies.common.wire import decode, encode
from strategies.dsfl.server import DSFLServer
from strategies.dsfl.wire import Predictions
from tests.strategies import halves

SAMPLES, CLASSES = 40, 10
TASK = Task(CLASSES, Images(1, 4, 4), 5, open_set=OpenSet("0" * 64, SAMPLES))


def server(top: int = 0, bits: int = 32) -> DSFLServer:
    run = halves.run_of("dsfl", open_data="digits")
    half: DSFLServer = halves.server("dsfl", TASK, run, upload_top=top, upload_bits=bits)
    return half


def drawn(seed: int, samples: int = SAMPLES, classes: int = CLASSES) -> Tensor:
    """Return distributions from nearly sure to nearly even."""
    order = torch.Generator().manual_seed(seed)
    spread = 10 ** (3 * torch.rand(samples, 1, generator=order) - 1)
    return (torch.randn(samples, classes, generator=order) * spread).softmax(1)


def travelled(rows: Tensor, top: int, bits: int) -> tuple[Tensor, int]:
    """Return answers as the server reads them, and how many bytes brought them."""
    half = server(top, bits)
    agreed = half.provided.agreed
    blob = encode(Predictions.of(rows, agreed), "float32")
    arrived = decode(Predictions, blob, agreed, sender="client 0")
    return arrived.answers(agreed), len(blob)


@settings(deadline=None, max_examples=30)
@given(
    st.integers(1, 16).flatmap(
        lambda bits: st.tuples(st.just(bits), st.lists(st.integers(0, 2**bits - 1), min_size=1))
    )
)
def test_packed_numbers_are_there_again_and_take_no_byte_more(told: tuple[int, list[int]]) -> None:
    bits, numbers = told
    content = packed(torch.tensor(numbers), bits)
    assert len(content) == -(-len(numbers) * bits // 8)
    assert unpacked(content, bits, len(numbers)).tolist() == numbers


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10_000), st.integers(1, CLASSES))
def test_what_is_untold_costs_twice_its_probability_at_most(seed: int, top: int) -> None:
    rows = drawn(seed)
    found, _ = travelled(rows, top, 32)
    untold = 1 - rows.topk(top, dim=1).values.sum(1)
    assert bool(((found - rows).abs().sum(1) <= 2 * untold + 1e-5).all())
    torch.testing.assert_close(found.sum(1), torch.ones(SAMPLES))
    assert torch.equal(found.argmax(1), rows.argmax(1))
    if top == CLASSES:
        assert torch.equal(found, rows)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10_000), st.sampled_from([1, 2, 3, 4, 6, 8, 12, 16]))
def test_a_step_is_half_of_one_away_at_most(seed: int, bits: int) -> None:
    rows = drawn(seed)
    coarse = Coarse(SAMPLES, CLASSES, CLASSES, bits)
    found = coarse.values(packed(coarse.steps(rows), bits))
    assert float((found - rows).abs().max()) <= 0.5 / (2**bits - 1) + 1e-6
    whole, _ = travelled(rows, 0, bits)
    torch.testing.assert_close(whole.sum(1), torch.ones(SAMPLES))
    assert float(whole.min()) >= 0


def test_sixteen_bits_keep_nearly_every_likeliest_class() -> None:
    rows = drawn(0, 20_000)
    coarse = Coarse(20_000, CLASSES, CLASSES, 16)
    found = coarse.values(packed(coarse.steps(rows), 16))
    assert float((found.argmax(1) == rows.argmax(1)).float().mean()) >= 0.999
    four_decimals = (rows * 1e4).round() / 1e4
    assert float((four_decimals.argmax(1) == rows.argmax(1)).float().mean()) >= 0.999


def test_bytes_are_those_of_bits_and_classes() -> None:
    rows = drawn(0)
    whole, sent = travelled(rows, 0, 32)
    assert torch.equal(whole, rows)
    headers = sent - 4 * SAMPLES * CLASSES
    # Two of ten classes in four bits, which of them in four more: 40 * 2 * 8 / 8 bytes.
    assert travelled(rows, 2, 4)[1] < 80 + 2 * headers
    assert travelled(rows, 1, 32)[1] < 4 * SAMPLES + SAMPLES // 2 + 2 * headers


def test_steps_of_nothing_are_even() -> None:
    rows = torch.full((SAMPLES, CLASSES), 1 / CLASSES)
    found, _ = travelled(rows, 0, 1)
    torch.testing.assert_close(found, rows)


def arrived(said: Predictions, top: int, bits: int = 32) -> Predictions:
    agreed = server(top=top, bits=bits).provided.agreed
    return decode(Predictions, encode(said, "float32"), agreed, sender="client 7")


@settings(deadline=None, max_examples=50)
@given(seed=st.integers(0, 2**31), top=st.integers(1, 9), bits=st.integers(1, 6))
def test_no_class_that_is_told_is_below_one_that_is_not(seed: int, top: int, bits: int) -> None:
    """Steps of half of one and less would make the likeliest class the least likely."""
    coarse = Coarse(8, 10, top, bits)
    rows = torch.rand(8, 10, generator=torch.Generator().manual_seed(seed)).softmax(1)
    values, classes = coarse.kept(rows)
    stepped = coarse.steps(values).double() / (2**bits - 1)
    restored = coarse.restored(stepped.float(), classes)
    told = torch.zeros(8, 10, dtype=torch.bool).scatter(1, classes, True)
    least = restored.masked_fill(~told, torch.inf).amin(1)
    assert bool((least >= restored.masked_fill(told, -torch.inf).amax(1)).all())
    torch.testing.assert_close(restored.sum(1), torch.ones(8))


def test_what_steps_made_too_small_shares_with_what_is_untold() -> None:
    """0.8 is told, and 0: 0.2 are left of three classes, of which one is told."""
    restored = Coarse(1, 4, 2, 4).restored(torch.tensor([[0.8, 0.0]]), torch.tensor([[2, 0]]))
    third = 0.2 / 3
    torch.testing.assert_close(restored, torch.tensor([[third, third, 0.8, third]]))


@pytest.mark.parametrize(
    ("numbers", "told"),
    [
        ([3, 3], "classes: expected each once for an open sample, got one twice"),
        ([3, 12], "classes: expected them below 10, got 12"),
    ],
)
def test_classes_that_no_distribution_has_are_refused(numbers: list[int], told: str) -> None:
    values = torch.full((SAMPLES, 2), 0.5)
    hostile = Predictions(values, None, packed(torch.tensor(numbers * SAMPLES), 4))
    with pytest.raises(WireError, match=f"client 7: dsfl.predictions.{told}"):
        arrived(hostile, top=2)


def test_more_than_one_in_all_is_refused() -> None:
    steps = packed(torch.full((SAMPLES, 2), 255), 8)
    hostile = Predictions(torch.zeros(0, 2), steps, packed(torch.tensor([0, 1] * SAMPLES), 4))
    with pytest.raises(WireError, match="to sum to 1 at most, got 2"):
        arrived(hostile, top=2, bits=8)


def test_less_than_nothing_is_refused() -> None:
    agreed = server(top=2).provided.agreed
    rows = torch.tensor([[1.5, -0.5]] * SAMPLES)
    blob = encode(Predictions(rows, None, packed(torch.tensor([0, 1] * SAMPLES), 4)), "float32")
    with pytest.raises(WireError, match="rows: expected entries of at least 0, got -"):
        decode(Predictions, blob, agreed, sender="client 7")
