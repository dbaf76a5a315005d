"""What all heads together say, and how each is heard."""

import pytest
import torch
from torch.nn import functional

from strategies.fedgen.ensemble import Heads, ensemble_loss, label_weights
from tests.strategies.fake_device import FakeDevice, blobs
from tests.strategies.halves import run_of


def models(count: int) -> list[torch.nn.Module]:
    x, y = blobs(2, [0, 1, 2])
    run = run_of("fedgen")
    return [FakeDevice(x, y, x, y, 3, 5, run, partition=k).build_model() for k in range(count)]


def test_heads_lie_at_the_end_of_a_models_parameters() -> None:
    built = models(2)
    whole = [torch.cat([p.detach().flatten() for p in one.parameters()]) for one in built]
    alone = [torch.cat([p.detach().flatten() for p in one.head.parameters()]) for one in built]
    features = torch.randn(4, 5, generator=torch.Generator().manual_seed(0))
    expected = torch.stack([one.head(features) for one in built]).detach()
    for sent in (whole, alone):
        torch.testing.assert_close(Heads.of(sent, 3, 5).logits(features), expected)


def test_clients_are_heard_as_far_as_they_hold_a_label() -> None:
    """Check 31: with counts from 1 on, who holds nothing of a label is still heard a little."""
    counts = torch.tensor([[3.0, 0.0, 0.0], [1.0, 4.0, 0.0]])
    begun_at_one = label_weights(counts, 1.0)
    assert begun_at_one.sum(0).tolist() == pytest.approx([1.0] * 3)
    assert begun_at_one[0].tolist() == pytest.approx([4 / 6, 1 / 6, 1 / 2])
    plain = label_weights(counts, 0.0)
    assert plain[0].tolist() == pytest.approx([3 / 4, 0.0, 0.0])
    assert plain[:, :2].sum(0).tolist() == pytest.approx([1.0, 1.0])


def test_losses_of_both_modes_are_those_worked_out_by_hand() -> None:
    logits = torch.tensor([[[2.0, 0.0], [0.0, 1.0]], [[0.0, 1.0], [3.0, 0.0]]])
    labels = torch.tensor([0, 1])
    weights = torch.tensor([[0.75, 0.2], [0.25, 0.8]])
    mean = torch.tensor([[1.0, 0.5], [1.5, 0.5]])
    paper = ensemble_loss("paper", logits, labels, weights)
    torch.testing.assert_close(paper, functional.cross_entropy(mean, labels))

    def nll(gap: float) -> float:
        return float(torch.tensor(gap).exp().log1p())

    by_hand = (0.75 * nll(-2.0) + 0.25 * nll(1.0) + 0.2 * nll(-1.0) + 0.8 * nll(3.0)) / 2
    assert float(ensemble_loss("official", logits, labels, weights)) == pytest.approx(by_hand)


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
