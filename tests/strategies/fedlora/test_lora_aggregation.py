import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from lora_examples import TWO_LAYERS, dense_mean, random_factors

from strategies.common.errors import ModelError
from strategies.fedlora.lora_aggregation import (
    added,
    naive,
    relative_error,
    stack,
    svd,
    truncated,
)
from strategies.fedlora.lora_factors import LoraFactors
from strategies.fedlora.lora_shape import LoraShape, LoraTarget

SMALL = LoraShape((LoraTarget("query", 2, 2),))
WIDE = LoraShape((LoraTarget("query", 40, 40), LoraTarget("value", 40, 24)))


def rank_1(up, down):
    return LoraFactors(SMALL, 1, (torch.tensor([down]),), (torch.tensor(up)[:, None],))


# Client 0 has learnt [[4, 0], [0, 0]] and client 1 [[0, 0], [0, 8]]; with 1 and 3 samples their
# mean is [[1, 0], [0, 6]].
ALONG_X = rank_1([2.0, 0.0], [2.0, 0.0])
ALONG_Y = rank_1([0.0, 2.0], [0.0, 4.0])


def best_of_rank(matrix, rank):
    """The reference for Eckart and Young: truncate the dense matrix."""
    left, values, right = torch.linalg.svd(matrix, full_matrices=False)
    return (left[:, :rank] * values[:rank]) @ right[:rank]


@st.composite
def clients(draw):
    widths = st.integers(1, 7)
    targets = [
        LoraTarget(f"layer{i}", draw(widths), draw(widths)) for i in range(draw(st.integers(1, 2)))
    ]
    shape = LoraShape(tuple(targets))
    ranks = draw(st.lists(st.integers(1, 5), min_size=1, max_size=4))
    weights = [draw(st.integers(1, 1000)) for _ in ranks]
    seed = draw(st.integers(0, 10_000))
    factors = [random_factors(shape, rank, seed + i, torch.float64) for i, rank in enumerate(ranks)]
    return factors, weights


def test_stack_by_hand():
    found = stack([ALONG_X, ALONG_Y], [1, 3])
    assert found.rank == 2
    assert found.products()[0].tolist() == [[1, 0], [0, 6]]


def test_svd_by_hand():
    found = svd([ALONG_X, ALONG_Y], [1, 3], 1)
    assert found.rank == 1
    assert torch.allclose(found.products()[0], torch.tensor([[0.0, 0.0], [0.0, 6.0]]), atol=1e-6)
    # What is lost is the 1 beside the 6: 1 / sqrt(1 + 36).
    error = relative_error(found, [ALONG_X, ALONG_Y], [1, 3])
    assert error == pytest.approx(1 / math.sqrt(37), rel=1e-6)


def test_naive_by_hand():
    found = naive([ALONG_X, ALONG_Y], [1, 3])
    # The mean of the A's is [0.5, 3] and that of the B's [0.5, 1.5].
    assert found.products()[0].tolist() == [[0.25, 1.5], [0.75, 4.5]]
    # It misses [[1, 0], [0, 6]] by [[-0.75, 1.5], [0.75, -1.5]].
    expected = math.sqrt((0.75**2 + 1.5**2 + 0.75**2 + 1.5**2) / 37)
    assert relative_error(found, [ALONG_X, ALONG_Y], [1, 3]) == pytest.approx(expected)


def test_naive_pads_the_smaller_rank_with_zeros():
    small, large = random_factors(TWO_LAYERS, 1, 0), random_factors(TWO_LAYERS, 3, 1)
    found = naive([small, large], [1, 1])
    assert found.rank == 3
    assert torch.allclose(found.down[0][1:], large.down[0][1:] / 2)
    assert torch.allclose(found.up[1][:, :1], (small.up[1] + large.up[1][:, :1]) / 2)


@pytest.mark.parametrize("weights", [(1, 1, 1), (200, 300, 1500)])
def test_ranks_4_4_and_8_stacked_truncated_and_averaged(weights):
    factors = [random_factors(WIDE, rank, seed) for seed, rank in enumerate((4, 4, 8))]
    exact = dense_mean(factors, weights)
    found = stack(factors, weights)
    assert found.rank == 16
    for product, mean in zip(found.products(), exact, strict=True):
        assert torch.allclose(product.double(), mean, rtol=0, atol=1e-6 * float(mean.abs().max()))
    assert relative_error(found, factors, weights) < 1e-6

    best = svd(factors, weights, 8)
    assert best.rank == 8
    for product, mean in zip(best.products(), exact, strict=True):
        scale = 1e-6 * float(mean.abs().max())
        assert torch.allclose(product.double(), best_of_rank(mean, 8), rtol=0, atol=scale)

    of_naive, of_svd = (
        relative_error(aggregate, factors, weights) for aggregate in (naive(factors, weights), best)
    )
    assert 0.05 < of_svd < of_naive


def test_naive_on_independent_factors_of_ranks_4_4_8_is_78_percent_off():
    # Squared error: own terms (1/9 - 1/3)^2 * 16, crossed ones (1/9)^2 * 2 * 12; squared mean:
    # (1/3)^2 * 16; all in units of in * out. The ratio is 88 / 144.
    shape = LoraShape((LoraTarget("query", 768, 768),))
    factors = [random_factors(shape, rank, seed) for seed, rank in enumerate((4, 4, 8))]
    error = relative_error(naive(factors, [1, 1, 1]), factors, [1, 1, 1])
    assert error == pytest.approx(math.sqrt(88) / 12, rel=0.03)


@settings(max_examples=60, deadline=None)
@given(clients())
def test_stack_is_the_mean_of_products_and_svd_its_best_truncation(case):
    factors, weights = case
    shape = factors[0].shape
    exact = dense_mean(factors, weights)
    stacked = stack(factors, weights)
    assert stacked.rank == min(sum(part.rank for part in factors), shape.full_rank)
    for product, mean in zip(stacked.products(), exact, strict=True):
        assert torch.allclose(product, mean, rtol=0, atol=1e-12 * (1 + float(mean.abs().max())))
    for rank in (1, 3, 20):
        found = svd(factors, weights, rank)
        misses = size = 0.0
        for product, mean in zip(found.products(), exact, strict=True):
            best = best_of_rank(mean, rank)
            misses += float((best - mean).square().sum())
            size += float(mean.square().sum())
            # Not entry by entry: equal singular values leave the choice of directions open.
            lost = float((product - mean).norm())
            assert lost == pytest.approx(float((best - mean).norm()), abs=1e-9 * float(mean.norm()))
            assert torch.linalg.matrix_rank(product) <= rank
        expected = math.sqrt(misses / size)
        assert relative_error(found, factors, weights) == pytest.approx(expected, abs=1e-9)


@settings(max_examples=30, deadline=None)
@given(clients(), st.randoms(use_true_random=False))
def test_neither_the_order_of_clients_nor_the_unit_of_weights_matters(case, chance):
    factors, weights = case
    order = list(range(len(factors)))
    chance.shuffle(order)
    shuffled = [factors[i] for i in order], [weights[i] / 7 for i in order]
    for aggregate in (stack, naive):
        mine, theirs = aggregate(factors, weights), aggregate(*shuffled)
        for left, right in zip(mine.products(), theirs.products(), strict=True):
            assert torch.allclose(left, right, atol=1e-10)


def test_a_single_client_gets_its_own_factors_back():
    factors = random_factors(TWO_LAYERS, 3, 0)
    for found in (stack([factors], [17]), naive([factors], [17])):
        assert torch.equal(found.rows(), factors.rows())
    again = svd([factors], [17], 3)
    for mine, theirs in zip(again.products(), factors.products(), strict=True):
        assert torch.allclose(mine, theirs, atol=1e-5)


def test_a_stack_beyond_full_rank_is_exact_and_stops_there():
    factors = [random_factors(TWO_LAYERS, 3, seed) for seed in range(4)]
    found = stack(factors, [1, 2, 3, 4])
    assert found.rank == 6
    assert [tuple(matrix.shape) for matrix in found.matrices()] == [(6, 6), (6, 6), (4, 6), (4, 4)]
    assert relative_error(found, factors, [1, 2, 3, 4]) < 1e-6


def test_singular_values_are_split_evenly():
    found = svd([random_factors(TWO_LAYERS, 4, 0), random_factors(TWO_LAYERS, 4, 1)], [1, 1], 3)
    for down, up in zip(found.down, found.up, strict=True):
        assert torch.allclose(down @ down.T, up.T @ up, atol=1e-5)


@pytest.mark.parametrize("rank", [3, 4, 6])
def test_directions_beyond_the_rank_of_the_mean_are_idle(rank):
    # The same factors twice: a mean of rank 2, found in a stack of rank 4.
    factors = random_factors(TWO_LAYERS, 2, 0)
    found = svd([factors, factors], [1, 2], rank)
    assert found.rank == rank
    for down, up in zip(found.down, found.up, strict=True):
        assert down[:2].any(1).all()
        assert not down[2:].any()
        assert not up[:, 2:].any()
    assert relative_error(found, [factors], [1]) < 1e-6


def test_no_change_stays_no_change():
    start = LoraFactors.initial(TWO_LAYERS, 2, torch.Generator().manual_seed(0))
    for found in (stack([start], [1]), naive([start, start], [1, 1]), svd([start], [1], 2)):
        assert relative_error(found, [start], [1]) == 0.0
    assert relative_error(random_factors(TWO_LAYERS, 2, 0), [start], [1]) == math.inf


def test_added_is_the_sum_and_its_rank_stays_bounded():
    total = random_factors(TWO_LAYERS, 2, 0)
    sums = [product.clone() for product in total.products()]
    for seed in range(1, 30):
        update = random_factors(TWO_LAYERS, 2, seed)
        total = added(total, update)
        sums = [old + new for old, new in zip(sums, update.products(), strict=True)]
        assert total.rank == min(2 * (seed + 1), 6)
    for mine, theirs in zip(total.products(), sums, strict=True):
        assert torch.allclose(mine, theirs, atol=1e-4)


def test_a_client_gets_back_to_its_own_rank():
    clients = [random_factors(TWO_LAYERS, rank, rank) for rank in (1, 2)]
    stacked = stack(clients, [1, 1])
    for rank in (1, 2):
        mine, best = truncated(stacked, rank), svd(clients, [1, 1], rank)
        assert mine.rank == rank
        for left, right in zip(mine.products(), best.products(), strict=True):
            assert torch.allclose(left, right, atol=1e-5)
    assert truncated(stacked, 5).rank == 5
    assert relative_error(truncated(stacked, 5), clients, [1, 1]) < 1e-6


def test_a_wide_layer_never_becomes_dense():
    # A dense product of this layer would need 360 GB.
    shape = LoraShape((LoraTarget("query", 300_000, 150_000),))
    generator = torch.Generator().manual_seed(0)
    factors = LoraFactors.initial(shape, 1, generator)
    factors = LoraFactors(shape, 1, factors.down, (torch.ones(150_000, 1),))
    found = svd([factors, factors], [1, 1], 1)
    assert relative_error(found, [factors], [1]) < 1e-6


def test_other_layers_are_refused():
    other = random_factors(WIDE, 2, 0)
    mine = random_factors(TWO_LAYERS, 2, 0)
    calls = (
        lambda: stack([mine, other], [1, 1]),
        lambda: svd([mine, other], [1, 1], 2),
        lambda: naive([mine, other], [1, 1]),
        lambda: added(mine, other),
        lambda: relative_error(other, [mine], [1]),
    )
    for call in calls:
        with pytest.raises(ModelError, match="at position 1"):
            call()


@pytest.mark.parametrize("weights", [[1, 0], [1, -1], [1, math.nan], [1, math.inf]])
def test_weights_that_are_no_weights_are_refused(weights):
    factors = [random_factors(TWO_LAYERS, 2, seed) for seed in range(2)]
    with pytest.raises(ModelError, match="expected weights above 0"):
        stack(factors, weights)


def test_no_client_or_a_missing_weight_is_refused():
    with pytest.raises(ModelError, match="0 factors and 0 weights"):
        naive([], [])
    with pytest.raises(ModelError, match="1 factors and 2 weights"):
        svd([random_factors(TWO_LAYERS, 2, 0)], [1, 1], 2)
