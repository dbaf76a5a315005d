"""The dual adapter is the exact mean of two, and one adapter of twice the rank."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from strategies.common.adapters.adapter_set import AdapterSet, AdapterShape
from strategies.common.adapters.attachment import Attachment
from strategies.common.adapters.dual import DualAdapter, merged
from strategies.common.adapters.sites import find_sites
from strategies.common.errors import ModelError
from tests.strategies.common.adapters import tiny_networks

SHAPE = AdapterShape(("a", "b"), (5, 7), 3)


def drawn(shape: AdapterShape, seed: int) -> AdapterSet:
    """Draw adapters of unit scale, biases and all."""
    values = torch.randn(shape.num_parameters, generator=torch.Generator().manual_seed(seed))
    return AdapterSet.from_vector(shape, values)


def test_the_mean_is_exact() -> None:
    frozen, local = drawn(SHAPE, 1), drawn(SHAPE, 2)
    dual = DualAdapter(frozen, local)
    assert len(dual) == len(list(dual)) == 2
    for index, width in enumerate(SHAPE.widths):
        hidden = torch.randn(4, 6, width, generator=torch.Generator().manual_seed(3))
        # Halving is exact in binary, so nothing is rounded twice.
        expected = (frozen[index](hidden) + local[index](hidden)) / 2
        assert torch.equal(dual[index](hidden), expected)


def test_two_of_the_same_are_that_one() -> None:
    frozen = drawn(SHAPE, 1)
    hidden = torch.randn(4, 5, generator=torch.Generator().manual_seed(3))
    assert torch.equal(DualAdapter(frozen, drawn(SHAPE, 1))[0](hidden), frozen[0](hidden))


def test_only_the_local_adapter_learns_and_gradients_pass_both() -> None:
    frozen, local = drawn(SHAPE, 1), drawn(SHAPE, 2)
    hidden = torch.randn(64, 5, generator=torch.Generator().manual_seed(3)).requires_grad_()
    plain = hidden.detach().clone().requires_grad_()
    DualAdapter(frozen, local)[0](hidden).square().sum().backward()
    assert all(parameter.grad is None for parameter in frozen.parameters())
    assert all(parameter.grad.any() for parameter in local[0].parameters())
    assert all(parameter.grad is None for parameter in local[1].parameters())
    assert all(parameter.requires_grad for parameter in frozen.parameters())
    (0.5 * frozen[0](plain) + 0.5 * local[0](plain)).square().sum().backward()
    assert torch.equal(hidden.grad, plain.grad)


def test_it_sees_what_is_loaded_later() -> None:
    frozen, local = drawn(SHAPE, 1), drawn(SHAPE, 2)
    dual = DualAdapter(frozen, local)
    frozen.load(local.vector())
    hidden = torch.ones(1, 5)
    assert torch.equal(dual[0](hidden), local[0](hidden))


def test_it_registers_nothing() -> None:
    frozen, local = drawn(SHAPE, 1), drawn(SHAPE, 2)
    before = [list(part.state_dict()) for part in (frozen, local)]
    holder = torch.nn.ModuleDict({"frozen": frozen, "local": local})
    holder.dual = DualAdapter(frozen, local)
    assert len(holder.state_dict()) == 2 * len(SHAPE.keys())
    assert [list(part.state_dict()) for part in (frozen, local)] == before


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 8), st.integers(1, 6), st.integers(0, 2**31))
def test_twice_the_rank_computes_the_same(width: int, rank: int, seed: int) -> None:
    shape = AdapterShape(("a",), (width,), rank)
    frozen, local = drawn(shape, seed), drawn(shape, seed + 1)
    single = merged(frozen, local)
    assert single.shape == AdapterShape(("a",), (width,), 2 * rank)
    hidden = torch.randn(3, width, generator=torch.Generator().manual_seed(seed + 2))
    expected = DualAdapter(frozen, local)[0](hidden)
    torch.testing.assert_close(single[0](hidden), expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name", ["vilt", "bert", "clip"])
@torch.no_grad()
def test_a_personalised_client_is_one_adapter(name: str) -> None:
    network = tiny_networks.build(name)
    sites = find_sites(network)
    shape = AdapterShape.at(sites, 3)
    frozen, local = drawn(shape, 1), drawn(shape, 2)
    with Attachment(sites) as attachment:
        with attachment.using(DualAdapter(frozen, local)):
            dual = tiny_networks.hidden(name, network)
        with attachment.using(merged(frozen, local)):
            single = tiny_networks.hidden(name, network)
        with attachment.using(frozen):
            other = tiny_networks.hidden(name, network)
    torch.testing.assert_close(single, dual, atol=1e-4, rtol=1e-4)
    assert not torch.allclose(other, dual, atol=1e-3)


def test_a_merged_adapter_shares_nothing() -> None:
    frozen, local = drawn(SHAPE, 1), drawn(SHAPE, 2)
    single = merged(frozen, local)
    before = single.vector()
    frozen.load(torch.zeros(SHAPE.num_parameters))
    local.load(torch.zeros(SHAPE.num_parameters))
    assert torch.equal(single.vector(), before)
    assert all(parameter.requires_grad for parameter in single.parameters())


@pytest.mark.parametrize(
    "other", [AdapterShape(("a", "b"), (5, 7), 4), AdapterShape(("a", "c"), (5, 7), 3)]
)
def test_adapters_of_two_shapes_are_refused(other: AdapterShape) -> None:
    for joined in (DualAdapter, merged):
        with pytest.raises(ModelError, match="expected adapters of one shape"):
            joined(drawn(SHAPE, 1), drawn(other, 2))
