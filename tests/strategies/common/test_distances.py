"""Distances that keep their digits, and their gradient."""

import math

import pytest
import torch

from strategies.common.distances import distances


def test_distances_by_hand() -> None:
    rows, others = torch.tensor([[0.0, 0.0], [3.0, 0.0]]), torch.tensor([[3.0, 4.0]])
    assert distances(rows, others).tolist() == [[5.0], [4.0]]


def test_far_rows_keep_their_digits() -> None:
    """Expanded squares have none left here."""
    rows = torch.full((40, 512), 1e3)
    near = distances(rows, rows + 1e-2)
    assert near.max().item() == pytest.approx(math.sqrt(512) * 1e-2, rel=1e-2)
    assert near.min().item() == pytest.approx(math.sqrt(512) * 1e-2, rel=1e-2)


def test_a_distance_of_0_has_the_gradient_0() -> None:
    rows = torch.full((40, 512), 1e3).requires_grad_()
    apart = distances(rows, rows.detach())
    assert not apart.any()
    apart.sum().backward()  # type: ignore[no-untyped-call]
    assert rows.grad is not None
    assert not rows.grad.any()
