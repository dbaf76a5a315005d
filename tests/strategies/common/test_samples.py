"""Samples are scaled one way only, and every one is seen once in an epoch."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from strategies.common.samples import Samples, ordered_batches, prepare, shuffled_batches


def test_pixels_become_numbers_between_minus_one_and_one() -> None:
    pixels = torch.tensor([0, 51, 102, 255], dtype=torch.uint8)
    # 51 / 127.5 - 1 = 0.4 - 1
    expected = torch.tensor([-1.0, -0.6, -0.2, 1.0])
    assert torch.allclose(prepare(pixels), expected, atol=1e-6)
    assert prepare(pixels).dtype == torch.float32
    assert pixels.tolist() == [0, 51, 102, 255]


def test_numbers_stay_as_they_are() -> None:
    assert torch.equal(prepare(torch.tensor([-3.0, 700.0])), torch.tensor([-3.0, 700.0]))
    assert prepare(torch.tensor([0.5], dtype=torch.float64)).dtype == torch.float32


def test_tokens_are_left_alone() -> None:
    tokens = torch.tensor([[0, 30_000], [7, 1]])
    assert prepare(tokens).dtype == torch.int64
    assert torch.equal(prepare(tokens), tokens)


def test_samples_have_a_length() -> None:
    assert len(Samples(torch.zeros(3, 1, 2, 2), torch.tensor([0, 1, 0]))) == 3


def test_samples_are_drawn_of_one_label_and_none_twice() -> None:
    samples = Samples(torch.arange(6.0)[:, None], torch.tensor([0, 1, 0, 1, 0, 1]))
    odd = samples.of_label(1)
    assert odd.inputs.flatten().tolist() == [1, 3, 5]
    order = torch.Generator().manual_seed(0)
    two, all_of_them = odd.drawn(2, order), odd.drawn(9, order)
    assert len(set(two.inputs.flatten().tolist()) & {1, 3, 5}) == 2
    assert sorted(all_of_them.inputs.flatten().tolist()) == [1, 3, 5]
    assert len(samples.of_label(2).drawn(2, order)) == 0


@settings(max_examples=60, deadline=None)
@given(count=st.integers(0, 60), size=st.integers(1, 20))
def test_shuffled_batches_cover_every_sample_once(count: int, size: int) -> None:
    batches = list(shuffled_batches(count, size, torch.Generator().manual_seed(0)))
    assert sorted(i for batch in batches for i in batch.tolist()) == list(range(count))
    lengths = [len(batch) for batch in batches]
    assert all(length == size for length in lengths[:-1])
    assert all(0 < length <= size + 1 for length in lengths)
    if size > 1 and count > 1:
        assert 1 not in lengths


@pytest.mark.parametrize(
    ("count", "size", "lengths"),
    [
        (10, 5, [5, 5]),
        (12, 5, [5, 5, 2]),
        (11, 5, [5, 6]),  # batch normalisation cannot train on the one that is left
        (6, 5, [6]),
        (5, 10, [5]),
        (1, 10, [1]),
        (3, 1, [1, 2]),
    ],
)
def test_a_remainder_of_one_joins_the_batch_before(
    count: int, size: int, lengths: list[int]
) -> None:
    batches = shuffled_batches(count, size, torch.Generator().manual_seed(0))
    assert [len(batch) for batch in batches] == lengths


def test_the_order_comes_from_the_generator_alone() -> None:
    def order(seed: int) -> list[int]:
        generator = torch.Generator().manual_seed(seed)
        return [i for batch in shuffled_batches(50, 7, generator) for i in batch.tolist()]

    torch.manual_seed(1)
    first = order(3)
    torch.manual_seed(2)
    assert order(3) == first
    assert order(4) != first
    assert first != list(range(50))


def test_a_second_epoch_has_another_order() -> None:
    generator = torch.Generator().manual_seed(0)
    epochs = [torch.cat(list(shuffled_batches(50, 7, generator))).tolist() for _ in range(2)]
    assert epochs[0] != epochs[1]


@settings(max_examples=40, deadline=None)
@given(count=st.integers(0, 60), size=st.integers(1, 20))
def test_ordered_batches_cover_every_sample_once_in_order(count: int, size: int) -> None:
    rows = torch.arange(count)
    parts = [rows[part] for part in ordered_batches(count, size)]
    assert [row for part in parts for row in part.tolist()] == list(range(count))
    assert all(0 < len(part) <= size for part in parts)
