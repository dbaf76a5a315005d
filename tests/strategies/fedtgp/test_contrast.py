"""FedTGP's margin and contrast against numbers worked out by hand."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from strategies.fedtgp.contrast import adaptive_margin, contrast, trainable_prototypes

# Distances: 3 from first to second, 5 from first to third, 4 from second to third.
MEANS = torch.tensor([[0.0, 0.0], [3.0, 0.0], [3.0, 4.0]])


def test_the_margin_is_the_largest_distance_of_two_classes() -> None:
    assert adaptive_margin(MEANS, 100.0, "pairs") == pytest.approx(5.0)


def test_the_codes_take_the_largest_of_the_nearest() -> None:
    # Nearest others: 3, 3 and 4 away.
    assert adaptive_margin(MEANS, 100.0, "nearest") == pytest.approx(4.0)


@pytest.mark.parametrize("rule", ["pairs", "nearest"])
def test_the_margin_has_a_bound_which_one_class_alone_takes(rule: str) -> None:
    assert adaptive_margin(MEANS, 2.0, rule) == 2.0  # type: ignore[arg-type]
    assert adaptive_margin(MEANS[:1], 7.0, rule) == 7.0  # type: ignore[arg-type]


def test_the_loss_by_hand() -> None:
    # A prototype of class 0 at the origin; those that learn lie 1 and 3 away; margin 0.5.
    learning = torch.tensor([[1.0, 0.0], [0.0, 3.0]])
    found = contrast(torch.zeros(1, 2), torch.tensor([0]), learning, 0.5)
    own, other = math.exp(-1.5), math.exp(-3.0)
    assert found.item() == pytest.approx(-math.log(own / (own + other)), rel=1e-6)


def test_a_larger_margin_asks_for_more() -> None:
    learning = torch.tensor([[1.0, 0.0], [0.0, 3.0]])
    losses = [contrast(torch.zeros(1, 2), torch.tensor([0]), learning, m) for m in (0.0, 1.0, 5.0)]
    assert losses[0] < losses[1] < losses[2]


def test_a_distance_of_0_has_a_gradient() -> None:
    """Expanded squares, as both codes take them, have none, or are NaN."""
    rows = torch.full((2, 512), 1e3)
    learning = rows.clone().requires_grad_()
    loss = contrast(rows, torch.tensor([0, 1]), learning, 1.0)
    loss.backward()
    assert loss.isfinite()
    assert learning.grad is not None
    assert bool(learning.grad.isfinite().all())


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 10_000), classes=st.integers(2, 6))
def test_the_nearest_never_asks_for_more_than_all_pairs(seed: int, classes: int) -> None:
    means = torch.randn(classes, 4, generator=torch.Generator().manual_seed(seed))
    assert adaptive_margin(means, 1e9, "nearest") <= adaptive_margin(means, 1e9, "pairs") + 1e-6


def test_a_class_has_a_vector_and_all_share_what_refines_them() -> None:
    learner = trainable_prototypes(3, 4)
    first = learner.refine(learner.vectors.weight[1])
    torch.testing.assert_close(learner(torch.tensor([1]))[0], first)
    # 3 vectors of 4, and twice 4 x 4 + 4.
    assert sum(parameter.numel() for parameter in learner.parameters()) == 12 + 40
