"""The angular margin and its loss."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from strategies.fedktl.arcface import add_margin, arcface_loss


def test_loss_of_one_sample_by_hand() -> None:
    # cos 60 degrees = 0.5 for the own class; a margin of 30 degrees makes it cos 90 = 0.
    # Logits with scale 2 are (0, 2 * 0.5): loss = log(1 + e^1).
    cosines = torch.tensor([[0.5, 0.5]])

    loss = arcface_loss(cosines, torch.tensor([0]), margin=math.pi / 6, scale=2.0, monotone=False)

    assert loss.item() == pytest.approx(math.log(1 + math.e), abs=1e-6)


def test_no_margin_is_plain_cross_entropy() -> None:
    cosines = torch.tensor([[0.3, -0.2, 0.9], [0.1, 0.2, 0.3]])
    labels = torch.tensor([2, 0])

    loss = arcface_loss(cosines, labels, margin=0.0, scale=64.0, monotone=False)

    torch.testing.assert_close(loss, functional.cross_entropy(64 * cosines, labels))


@settings(max_examples=50, deadline=None)
@given(angle=st.floats(0.01, math.pi - 0.01), margin=st.floats(0.0, 1.5))
def test_agrees_with_the_arc_cosine_away_from_the_ends(angle: float, margin: float) -> None:
    cosine = torch.tensor(math.cos(angle), dtype=torch.float64, requires_grad=True)
    reference = torch.cos(torch.acos(cosine) + margin)
    (expected_slope,) = torch.autograd.grad(reference, cosine)

    shifted = add_margin(cosine, margin, monotone=False)
    (slope,) = torch.autograd.grad(shifted, cosine)

    torch.testing.assert_close(shifted, reference)
    torch.testing.assert_close(slope, expected_slope)


@pytest.mark.parametrize("monotone", [False, True])
@pytest.mark.parametrize("cosine", [1.0, -1.0, 1.0 + 4e-7, -1.0 - 4e-7])
def test_value_and_gradient_are_finite_at_the_ends(cosine: float, monotone: bool) -> None:
    cosines = torch.tensor([[cosine, 0.0]], requires_grad=True)

    loss = arcface_loss(cosines, torch.tensor([0]), margin=0.5, scale=64.0, monotone=monotone)
    loss.backward()  # type: ignore[no-untyped-call]

    assert torch.isfinite(loss)
    assert cosines.grad is not None
    assert torch.isfinite(cosines.grad).all()
    # The arc cosine fails here: this is what the sum formula is for.
    end = torch.tensor(cosine, requires_grad=True)
    torch.cos(torch.acos(end) + 0.5).backward()  # type: ignore[no-untyped-call]
    assert end.grad is not None
    assert not torch.isfinite(end.grad)


@pytest.mark.parametrize("end", [1.0, -1.0])
def test_slope_is_bounded_just_inside_the_ends(end: float) -> None:
    # One float32 away from 1 the exact slope is sin(0.5) / sin(theta) = 0.48 / 3.5e-4 = 1390,
    # of which rounding leaves no correct digit; the bound is 0.48 / 1e-3 + 0.88.
    cosine = torch.nextafter(torch.tensor(end), torch.tensor(0.0)).requires_grad_()

    add_margin(cosine, 0.5, monotone=False).backward()  # type: ignore[no-untyped-call]

    assert cosine.grad is not None
    assert abs(cosine.grad.item()) < 481


def test_monotone_margin_falls_where_the_plain_one_rises() -> None:
    # With a margin of 0.5 the bend is at cos(pi - 0.5) = -0.8776.
    cosines = torch.linspace(-1, 1, 401, dtype=torch.float64)

    plain = add_margin(cosines, 0.5, monotone=False).diff()
    monotone = add_margin(cosines, 0.5, monotone=True).diff()

    assert (plain < 0).any()
    assert (monotone > 0).all()


def test_monotone_margin_changes_nothing_before_the_bend() -> None:
    cosines = torch.linspace(-0.87, 1, 100)

    plain = add_margin(cosines, 0.5, monotone=False)

    assert torch.equal(add_margin(cosines, 0.5, monotone=True), plain)
