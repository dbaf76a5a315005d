"""InfoNCE by hand and against a plain formula; what gets a gradient; merged passes."""

import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from strategies.mocosfl.contrast import Contrast, contrast, info_nce


def unit(rows: int, dim: int, seed: int) -> Tensor:
    drawn = torch.randn(rows, dim, generator=torch.Generator().manual_seed(seed))
    return functional.normalize(drawn)


def network(seed: int, inputs: int = 6, dim: int = 5) -> nn.Module:
    generator = torch.Generator().manual_seed(seed)
    layer = nn.Linear(inputs, dim)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
    return layer


class Unit(nn.Module):
    """A network to the unit sphere."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.layer = network(seed)

    def forward(self, inputs: Tensor) -> Tensor:
        return functional.normalize(self.layer(inputs))


def test_a_loss_by_hand() -> None:
    # The query meets its key at cosine 0.8 and a memory of cosines 1 and 0; T = 0.5.
    query, key = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.8, 0.6]])
    memory = torch.tensor([[1.0, 0.0], [0.0, 1.0]])

    seen = info_nce(query, key, memory, 0.5)

    expected = math.log(math.exp(1.6) + math.exp(2.0) + 1) - 1.6
    assert seen.loss.item() == pytest.approx(expected, rel=1e-6)
    assert seen.accuracy.item() == 0
    assert seen.alignment.item() == pytest.approx(0.8)
    assert info_nce(query, query, memory[1:], 0.5).accuracy.item() == 1


def test_losses_are_those_of_the_plain_formula() -> None:
    queries, keys, memory = unit(7, 5, 0), unit(7, 5, 1), unit(11, 5, 2)

    losses = []
    for q, k in zip(queries.double(), keys.double(), strict=True):
        positive = math.exp(float(q @ k) / 0.1)
        negatives = sum(math.exp(float(q @ row) / 0.1) for row in memory.double())
        losses.append(-math.log(positive / (positive + negatives)))

    assert info_nce(queries, keys, memory, 0.1).loss.item() == pytest.approx(
        sum(losses) / 7, rel=1e-5
    )


def both(*, merged: bool, symmetric: bool = True) -> tuple[Contrast, Tensor, Tensor, nn.Module]:
    online, momentum = Unit(0), Unit(1)
    views = (unit(4, 6, 2).requires_grad_(), unit(4, 6, 3).requires_grad_())
    seen = contrast(online, momentum, views, unit(9, 5, 4), 0.1, symmetric=symmetric, merged=merged)
    seen.loss.backward()
    return seen, views[0], views[1], online


@pytest.mark.parametrize("merged", [True, False])
def test_a_symmetric_contrast_is_the_sum_of_both_terms(merged: bool) -> None:
    seen, query, key, _ = both(merged=merged)

    online, momentum, memory = Unit(0), Unit(1), unit(9, 5, 4)
    first = info_nce(online(query), momentum(key), memory, 0.1)
    second = info_nce(online(key), momentum(query), memory, 0.1)
    torch.testing.assert_close(seen.loss, first.loss + second.loss)
    torch.testing.assert_close(seen.keys, (momentum(key), momentum(query)))
    torch.testing.assert_close(seen.alignment, (first.alignment + second.alignment) / 2)


@pytest.mark.parametrize("merged", [True, False])
def test_only_the_query_view_and_the_server_get_a_gradient(merged: bool) -> None:
    seen, query, key, online = both(merged=merged)

    assert key.grad is None
    assert query.grad is not None
    # The second term moves the server alone: the query's gradient is that of the first.
    alone, same_query, _, once = both(merged=merged, symmetric=False)
    torch.testing.assert_close(query.grad, same_query.grad)
    moved, less = online.layer.weight.grad, once.layer.weight.grad
    assert not torch.allclose(moved, less)
    assert seen.loss > alone.loss
    assert not any(keys.requires_grad for keys in seen.keys)


def test_merged_passes_are_the_separate_ones() -> None:
    (one, query, _, online), (two, other, _, twin) = both(merged=True), both(merged=False)

    torch.testing.assert_close(one.loss, two.loss, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(query.grad, other.grad, rtol=1e-5, atol=1e-5)
    for own, same in zip(online.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(own.grad, same.grad, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(one.keys, two.keys, rtol=1e-5, atol=1e-5)
