"""Factors of a model's numbers: how few keep how much, and that none is lost."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from strategies.common import low_rank

# A convolution of 3 x 3, a layer, their biases, a convolution of 1 x 1, three numbers.
SHAPES = [torch.Size(s) for s in ((8, 4, 3, 3), (8,), (16, 12), (16,), (6, 4, 1, 1), (3,))]
LENGTHS = [288, 8, 192, 16, 24, 3]


def drawn(seed: int) -> Tensor:
    return torch.randn(sum(LENGTHS), generator=torch.Generator().manual_seed(seed))


def of_rank(rank: int) -> Tensor:
    """Return parameters whose matrices have a rank."""
    parts = []
    for shape, length in zip(SHAPES, LENGTHS, strict=True):
        if len(shape) < 2:
            parts.append(torch.ones(length))
            continue
        columns = length // shape[0]
        order = torch.Generator().manual_seed(length)
        left = torch.randn(shape[0], rank, generator=order)
        parts.append((left @ torch.randn(rank, columns, generator=order)).flatten())
    return torch.cat(parts)


def test_what_has_rank_1_travels_as_two_vectors_and_comes_back() -> None:
    numbers, ranks = low_rank.factorised(of_rank(1), SHAPES, 0.999)
    assert ranks.tolist() == [1, 1, 1]
    # 8 + 36, 16 + 12 and 6 + 4 numbers in place of 288, 192 and 24; 27 as they are.
    assert len(numbers) == 44 + 28 + 10 + 27
    back = low_rank.restored(numbers, ranks, SHAPES)
    torch.testing.assert_close(back, of_rank(1), rtol=1e-4, atol=1e-5)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), energy=st.floats(0.01, 1.0))
def test_factors_keep_their_share_and_are_never_more_than_the_numbers_themselves(
    seed: int, energy: float
) -> None:
    vector = drawn(seed)
    numbers, ranks = low_rank.factorised(vector, SHAPES, energy)
    assert len(numbers) == low_rank.expected(SHAPES, ranks) <= len(vector)
    assert low_rank.fault(numbers, ranks, SHAPES) is None
    back = low_rank.restored(numbers, ranks, SHAPES)
    for whole, kept in zip(torch.split(vector, LENGTHS), torch.split(back, LENGTHS), strict=True):
        lost = float((whole - kept).square().sum() / whole.square().sum())
        assert lost <= 1 - energy + 1e-6


@pytest.mark.parametrize("energy", [0.5, 0.95, 0.999, 1.0])
def test_no_layer_is_erased_and_three_numbers_are_no_factors(energy: float) -> None:
    """HtFLlib zeroes each convolution of 1 x 1, and takes a vector of three for a matrix."""
    vector = drawn(0)
    back = low_rank.restored(*low_rank.factorised(vector, SHAPES, energy), SHAPES)
    for whole, kept in zip(torch.split(vector, LENGTHS), torch.split(back, LENGTHS), strict=True):
        assert float(kept.abs().max()) > 0.1 * float(whole.abs().max())
    torch.testing.assert_close(back[-3:], vector[-3:])


def test_a_lower_share_sends_less_and_nothing_at_all_stays_nothing() -> None:
    steep = of_rank(1) + drawn(1)
    lengths = [len(low_rank.factorised(steep, SHAPES, e)[0]) for e in (0.3, 0.8, 1.0)]
    assert lengths[0] < lengths[1] < lengths[2]
    zeros = torch.zeros(sum(LENGTHS))
    assert not low_rank.restored(*low_rank.factorised(zeros, SHAPES, 0.95), SHAPES).any()


@pytest.mark.parametrize(
    ("numbers", "ranks", "told"),
    [
        (109, [1, 1], "ranks: expected one for each of 3 matrices, got 2"),
        (109, [1, 13, 1], "ranks: expected at most 12 for the smaller side of a matrix, got 13"),
        (108, [1, 1, 1], "numbers: expected 109, as the ranks say, got 108"),
    ],
)
def test_factors_of_another_model_are_refused(numbers: int, ranks: list[int], told: str) -> None:
    assert low_rank.fault(torch.zeros(numbers), torch.tensor(ranks), SHAPES) == told


@pytest.mark.parametrize("energy", [0.5, 0.9, 0.98])
def test_ranks_and_products_are_those_of_singular_values(energy: float) -> None:
    vector = of_rank(2) + 0.3 * drawn(2)
    numbers, ranks = low_rank.factorised(vector, SHAPES, energy)
    back = torch.split(low_rank.restored(numbers, ranks, SHAPES), LENGTHS)
    matrices = [n for n, shape in enumerate(SHAPES) if len(shape) > 1]
    for place, rank in zip(matrices, ranks.tolist(), strict=True):
        whole = torch.split(vector, LENGTHS)[place].view(SHAPES[place][0], -1).double()
        left, sizes, right = torch.linalg.svd(whole, full_matrices=False)
        share = sizes.square().cumsum(0) / sizes.square().sum()
        expected = int((share < energy).sum()) + 1
        if rank:
            assert rank == expected
            nearest = (left[:, :rank] * sizes[:rank]) @ right[:rank]
            torch.testing.assert_close(
                back[place].view_as(whole).double(), nearest, rtol=1e-4, atol=1e-5
            )
        else:
            assert expected * sum(whole.shape) >= whole.numel()
