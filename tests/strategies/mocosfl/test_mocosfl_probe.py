"""The linear probe: its schedule, its honesty about the best epoch, and that it learns."""

import math

import pytest
import torch
from torch import nn

from strategies.common import seeds
from strategies.mocosfl import classifiers
from strategies.mocosfl.classifiers import fit, linear_probe
from strategies.mocosfl.features import Features
from tests.strategies.mocosfl.feature_blobs import feature_blobs


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_it_tells_classes_apart_and_counts_by_client() -> None:
    bank, test = feature_blobs(40), feature_blobs(11, seed=1)
    found = linear_probe(
        bank, test, num_classes=3, generator=seeded(), epochs=20, learning_rate=0.05
    )
    assert found.last.accuracy > 0.95
    assert found.best_accuracy >= found.last.accuracy
    assert found.last.samples == {0: 17, 1: 16}
    assert sum(e.correct for e in found.last.evaluations.values()) / 33 == found.last.accuracy


def test_the_generator_alone_decides() -> None:
    bank, test = feature_blobs(8, noise=2.0), feature_blobs(8, noise=2.0, seed=1)
    state = torch.random.get_rng_state()

    def loss(seed: int) -> float:
        found = linear_probe(bank, test, num_classes=3, generator=seeded(seed), epochs=3)
        return found.last.evaluations[0].loss

    assert loss(0) == loss(0)
    assert loss(0) != loss(1)
    assert torch.equal(torch.random.get_rng_state(), state)


def test_the_learning_rate_falls_by_epochs(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[float] = []

    def recorded(*arguments: object, rates: list[float], **named: object) -> None:
        seen.extend(rates)

    monkeypatch.setattr(classifiers, "fit", recorded)
    linear_probe(feature_blobs(2), feature_blobs(2), num_classes=3, generator=seeded(), epochs=4)
    # Half of 1 + cos(0, 45, 90, 135 degrees).
    root = math.sqrt(2)
    assert seen == pytest.approx([1e-2, 1e-2 * (2 + root) / 4, 5e-3, 1e-2 * (2 - root) / 4])


def test_the_best_epoch_is_told_beside_the_last() -> None:
    # One feature, no bias, and weights that are right. The labels that are learnt from are the
    # wrong way round: at rate 0 nothing happens, at a huge one the weights change sign.
    layer = nn.Linear(1, 2, bias=False)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[-1.0], [1.0]]))
    owner = torch.zeros(4, dtype=torch.int64)
    inputs = torch.tensor([[1.0], [2.0], [-1.0], [-2.0]])
    test = Features(inputs, torch.tensor([1, 1, 0, 0]), owner)
    wrong = Features(inputs, 1 - test.labels, owner)
    found = fit(layer, wrong, test, rates=[0.0, 100.0], generator=seeded())
    assert (found.best_accuracy, found.best_epoch) == (1.0, 1)
    assert found.last.accuracy == 0.0


def test_adam_is_torchs_with_one_batch_an_epoch() -> None:
    bank = feature_blobs(4)
    with seeds.seeded(0):
        layer, plain = nn.Linear(8, 3), nn.Linear(8, 3)
    plain.load_state_dict(layer.state_dict())
    rates = [0.1, 0.01]
    fit(layer, bank, bank, rates=rates, generator=seeded(), batch=12)
    optimiser = torch.optim.Adam(plain.parameters(), rates[0])
    for rate in rates:
        optimiser.param_groups[0]["lr"] = rate
        optimiser.zero_grad()
        nn.functional.cross_entropy(plain(bank.features), bank.labels).backward()
        optimiser.step()
    torch.testing.assert_close(layer.weight, plain.weight, atol=1e-6, rtol=1e-4)
