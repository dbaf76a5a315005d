import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from lora_examples import TWO_LAYERS, random_factors

from strategies.common.errors import ModelError, WireError
from strategies.fedlora.lora_factors import LoraFactors
from strategies.fedlora.lora_shape import LoraShape, LoraTarget

ONE_LAYER = LoraShape((LoraTarget("query", 2, 3),))


def test_rows_are_a_beside_b_transposed_of_each_layer():
    factors = LoraFactors.from_rows(ONE_LAYER, torch.arange(5.0)[None])
    assert factors.down[0].tolist() == [[0, 1]]
    assert factors.up[0].tolist() == [[2], [3], [4]]
    assert factors.products()[0].tolist() == [[0, 2], [0, 3], [0, 4]]


@given(rank=st.integers(1, 6), seed=st.integers(0, 99))
def test_rows_come_back(rank, seed):
    factors = random_factors(TWO_LAYERS, rank, seed)
    again = LoraFactors.from_rows(TWO_LAYERS, factors.rows())
    assert factors.rows().shape == (rank, TWO_LAYERS.width)
    for mine, theirs in zip(factors.matrices(), again.matrices(), strict=True):
        assert torch.equal(mine, theirs)
        assert theirs.is_contiguous()


def test_the_start_changes_nothing_and_is_drawn_from_the_generator():
    state = torch.get_rng_state()
    first = LoraFactors.initial(TWO_LAYERS, 3, torch.Generator().manual_seed(1))
    again = LoraFactors.initial(TWO_LAYERS, 3, torch.Generator().manual_seed(1))
    other = LoraFactors.initial(TWO_LAYERS, 3, torch.Generator().manual_seed(2))
    assert torch.equal(torch.get_rng_state(), state)
    assert all(not product.any() for product in first.products())
    assert torch.equal(first.rows(), again.rows())
    assert not torch.equal(first.rows(), other.rows())


def test_a_starts_as_uniform_noise_of_the_width_of_its_input():
    shape = LoraShape((LoraTarget("query", 400, 8),))
    down = LoraFactors.initial(shape, 8, torch.Generator().manual_seed(0)).down[0]
    assert down.abs().max() <= 0.05
    # The standard deviation of uniform numbers in [-b, b] is b / sqrt(3).
    assert down.std().item() == pytest.approx(0.05 / 3**0.5, rel=0.05)


def test_only_idle_directions_are_drawn_anew():
    down = torch.tensor([[1.0, 2.0], [0.0, 0.0], [0.0, 0.0]])
    up = torch.tensor([[0.0, 0.0, 5.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
    shape = LoraShape((LoraTarget("query", 3, 3),))
    down = torch.nn.functional.pad(down, (0, 1))
    factors = LoraFactors(shape, 3, (down,), (up,))
    awake = factors.with_idle_redrawn(torch.Generator().manual_seed(0))
    assert torch.equal(awake.down[0][[0, 2]], down[[0, 2]])
    assert awake.down[0][1].all()
    assert torch.equal(awake.up[0], up)
    assert torch.equal(awake.products()[0], factors.products()[0])


@pytest.mark.parametrize("size", [(1, 0), (1, 4), (1, 6), (0, 5), (3, 5), (5,)])
def test_rows_of_another_rank_or_layer_are_refused(size):
    with pytest.raises(WireError, match=r"expected \(rank, 5\) values of rank 1 to 2"):
        LoraFactors.from_rows(ONE_LAYER, torch.zeros(size))


def test_numbers_beyond_a_layers_full_rank_are_refused():
    rows = random_factors(TWO_LAYERS, 6, 0).rows()
    # The second layer, of full rank 4, is in columns 12 to 21.
    assert not rows[4:, 12:].any()
    rows[5, 13] = 1.0
    with pytest.raises(WireError, match="value: expected zeros beyond its full rank of 4"):
        LoraFactors.from_rows(TWO_LAYERS, rows)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize(("position", "name"), [(1, "lora_A"), (4, "lora_B")])
def test_values_that_are_not_finite_are_refused(value, position, name):
    rows = torch.zeros(1, 5)
    rows[0, position] = value
    with pytest.raises(ModelError, match=rf"query.{name}.weight: expected finite"):
        LoraFactors.from_rows(ONE_LAYER, rows)


def test_matrices_of_another_shape_are_refused():
    down, up = torch.zeros(1, 2), torch.zeros(3, 1)
    with pytest.raises(ModelError, match=r"lora_B.weight: expected \(3, 1\), got \(1, 3\)"):
        LoraFactors(ONE_LAYER, 1, (down,), (up.T,))
    with pytest.raises(ModelError, match=r"lora_A.weight: expected \(2, 2\), got \(1, 2\)"):
        LoraFactors(ONE_LAYER, 2, (down,), (up,))
    with pytest.raises(ModelError, match="two matrices for each of 1 layers"):
        LoraFactors(ONE_LAYER, 1, (down, down), (up,))
