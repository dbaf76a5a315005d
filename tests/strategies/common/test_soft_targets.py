"""Soft targets beside labels: distances, and the two forms of the loss."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from strategies.common.errors import SettingsError
from strategies.common.soft_targets import SoftTargetLoss, soft_distance
from tests.strategies import halves
from tests.strategies.fake_device import FakeDevice, blobs

LOGITS = torch.tensor([[1.0, 0.0, -1.0], [0.5, 2.0, 0.0]])
TARGETS = torch.tensor([[0.7, 0.2, 0.1], [0.0, 0.0, 0.0]])
LABELS = torch.tensor([0, 1])


def device(round_number: int, **run: int) -> FakeDevice:
    x, y = blobs(4, [0, 1, 2])
    settings = halves.run_of("fd", batch_size=6, **run)
    return FakeDevice(x, y, x, y, 3, 5, settings, round_number=round_number)


def test_distances_are_those_worked_out_by_hand_and_no_target_adds_nothing() -> None:
    p, q = LOGITS[0].softmax(0), TARGETS[0]
    by_hand = {
        "cross-entropy": -(q * p.log()).sum(),
        "kl": (q * (q / p).log()).sum(),
        "l2": ((p - q) ** 2).sum(),
        "l1": (p - q).abs().sum(),
    }
    for distance, expected in by_hand.items():
        # The mean over two samples, of which the second has no target.
        torch.testing.assert_close(soft_distance(distance, LOGITS, TARGETS), expected / 2)


@given(st.integers(0, 999))
def test_every_distance_is_least_at_the_target(seed: int) -> None:
    """Check 4: the cross-entropy is at least the target's entropy, the others at least 0."""
    drawn = torch.Generator().manual_seed(seed)
    targets = torch.randn(3, 4, generator=drawn).softmax(1)
    logits = torch.randn(3, 4, generator=drawn)
    least = float(torch.special.entr(targets).sum(1).mean())
    for distance, bound in {"cross-entropy": least, "kl": 0.0, "l2": 0.0, "l1": 0.0}.items():
        assert float(soft_distance(distance, targets.log(), targets)) == pytest.approx(
            bound, abs=1e-5
        )
        assert float(soft_distance(distance, logits, targets)) > bound - 1e-6


def test_kl_has_the_gradient_of_the_cross_entropy() -> None:
    gradients = []
    for distance in ("cross-entropy", "kl"):
        logits = LOGITS.clone().requires_grad_()
        soft_distance(distance, logits, TARGETS).backward()
        gradients.append(logits.grad)
    torch.testing.assert_close(*gradients)


def test_the_sum_is_that_of_the_paper_and_without_weight_the_cross_entropy() -> None:
    """Check 11."""
    loss = SoftTargetLoss(halves.client("fd", distillation_weight=0.3).settings, device(1))
    found = loss(LOGITS, LABELS, TARGETS)
    expected = found["cross_entropy"] + 0.3 * found["distillation"]
    torch.testing.assert_close(found["total"], expected)
    torch.testing.assert_close(found["cross_entropy"], functional.cross_entropy(LOGITS, LABELS))
    alone = SoftTargetLoss(halves.client("fd", distillation_weight=0.0).settings, device(1))
    torch.testing.assert_close(alone(LOGITS, LABELS, TARGETS)["total"], found["cross_entropy"])


def test_a_convex_loss_ends_at_the_cross_entropy() -> None:
    """Check 11: a_t within [0, 1], never rising, 0 in the last step of the run."""
    own = halves.client("fd", loss_form="convex", distillation_weight=0.8).settings
    shares = []
    for round_number in (1, 2, 3):
        # 12 samples in batches of 6, twice over: four batches a round.
        loss = SoftTargetLoss(own, device(round_number, rounds=3, local_epochs=2))
        for _ in range(4):
            found = loss(LOGITS, LABELS, TARGETS)
            apart = found["distillation"] - found["cross_entropy"]
            shares.append(float((found["total"] - found["cross_entropy"]) / apart))
    assert shares == pytest.approx([0.8 * (1 - step / 11) for step in range(12)], abs=1e-5)


def test_a_convex_loss_needs_a_share() -> None:
    with pytest.raises(SettingsError, match=r"at most 1 with loss-form=convex, got 1\.5"):
        halves.client("fd", loss_form="convex", distillation_weight=1.5)
