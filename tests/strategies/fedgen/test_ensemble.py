"""What all heads together say, and how each is heard."""

import pytest
import torch
from torch.nn import functional

from strategies.fedgen.ensemble import ensemble_loss, head_logits
from tests.strategies.fake_device import FakeDevice, blobs
from tests.strategies.halves import run_of


def models(count: int) -> list[torch.nn.Module]:
    x, y = blobs(2, [0, 1, 2])
    run = run_of("fedgen")
    return [FakeDevice(x, y, x, y, 3, 5, run, partition=k).build_model() for k in range(count)]


def test_heads_lie_at_the_end_of_a_models_parameters() -> None:
    built = models(2)
    whole = [torch.cat([p.detach().flatten() for p in one.parameters()]) for one in built]
    ends = torch.stack([one[-3 * (5 + 1) :] for one in whole])
    features = torch.randn(4, 5, generator=torch.Generator().manual_seed(0))
    expected = torch.stack([one.head(features) for one in built]).detach()
    torch.testing.assert_close(head_logits(ends, features), expected)


def test_losses_of_both_modes_are_those_worked_out_by_hand() -> None:
    logits = torch.tensor([[[2.0, 0.0], [0.0, 1.0]], [[0.0, 1.0], [3.0, 0.0]]])
    labels = torch.tensor([0, 1])
    counts = torch.tensor([[2.0, 0.0], [0.0, 3.0]])
    mean = torch.tensor([[1.0, 0.5], [1.5, 0.5]])
    paper = ensemble_loss("paper", logits, labels, counts)
    torch.testing.assert_close(paper, functional.cross_entropy(mean, labels))

    def nll(gap: float) -> float:
        return float(torch.tensor(gap).exp().log1p())

    # Check 31: with counts from 1 on, (2 + 1) / 4 and (0 + 1) / 4 of the first label, and of the
    # second (0 + 1) / 5 and (3 + 1) / 5: who holds nothing of a label is still heard a little.
    by_hand = (0.75 * nll(-2.0) + 0.25 * nll(1.0) + 0.2 * nll(-1.0) + 0.8 * nll(3.0)) / 2
    assert float(ensemble_loss("official", logits, labels, counts)) == pytest.approx(by_hand)


def test_of_a_label_that_nobody_holds_all_are_heard_alike() -> None:
    """Check 31."""
    logits = torch.randn(2, 1, 3, generator=torch.Generator().manual_seed(2))
    label, nobody = torch.tensor([2]), torch.tensor([[3.0, 0.0, 0.0], [1.0, 4.0, 0.0]])
    each = [functional.cross_entropy(own, label) for own in logits]
    found = ensemble_loss("official", logits, label, nobody)
    torch.testing.assert_close(found, (each[0] + each[1]) / 2)


@pytest.mark.parametrize("mode", ["paper", "official"])
def test_one_client_is_its_own_ensemble(mode) -> None:
    """Check 35: one head, or several that are alike, give the cross-entropy of one."""
    logits = torch.randn(1, 6, 3, generator=torch.Generator().manual_seed(1))
    labels = torch.tensor([0, 1, 2, 0, 1, 2])
    alone = functional.cross_entropy(logits[0], labels)
    found = ensemble_loss(mode, logits, labels, torch.ones(1, 3))
    torch.testing.assert_close(found, alone)
    many = ensemble_loss(mode, logits.expand(4, 6, 3), labels, torch.full((4, 3), 0.25))
    torch.testing.assert_close(many, alone)
