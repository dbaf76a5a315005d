"""What simple classifiers make of features does not hang on how large the features are."""

from collections.abc import Callable

import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from strategies.common.seeds import generator
from strategies.mocosfl.classifiers import few_labels, linear_probe, nearest_neighbours
from strategies.mocosfl.features import Features, standardised


def digits(scale: float = 1.0, shift: float = 0.0) -> tuple[Features, Features]:
    """Return a bank and a test of handwritten digits: pixels of unlike spread, some constant."""
    bunch = load_digits()
    pixels = scale * torch.from_numpy(bunch.data).float() + shift
    labels = torch.from_numpy(bunch.target).long()
    order = torch.randperm(len(labels), generator=generator(0, "order"))
    every = Features(pixels, labels, torch.zeros(len(labels), dtype=torch.int64))
    return every.subset(order[:600]), every.subset(order[600:1200])


def probe(bank: Features, test: Features, epochs: int = 20) -> float:
    draw = generator(0, "probe")
    found = linear_probe(bank, test, num_classes=10, generator=draw, epochs=epochs)
    return found.last.accuracy


def few(bank: Features, test: Features) -> float:
    draw = generator(0, "few")
    found = few_labels(bank, test, share=0.2, num_classes=10, generator=draw, epochs=20)
    return found.probe.last.accuracy


def neighbours(bank: Features, test: Features) -> float:
    return nearest_neighbours(bank, test, num_classes=10).accuracy


def test_the_probe_is_as_good_as_logistic_regression_on_standardised_features() -> None:
    bank, test = digits(0.01)
    scaler = StandardScaler().fit(bank.features.numpy())
    rows = [scaler.transform(part.features.numpy()) for part in (bank, test)]
    found = LogisticRegression(max_iter=200).fit(rows[0], bank.labels).score(rows[1], test.labels)
    assert probe(bank, test, epochs=100) == pytest.approx(found, abs=0.02)


@pytest.mark.parametrize("judge", [probe, few, neighbours])
def test_no_scale_makes_a_difference(judge: Callable[[Features, Features], float]) -> None:
    expected = judge(*digits())
    assert expected > 0.8
    for scale in (0.01, 100.0):
        # One of 600, where rounding decides.
        assert judge(*digits(scale)) == pytest.approx(expected, abs=1.1 / 600)


def test_neither_does_a_shift_for_what_learns() -> None:
    assert probe(*digits(shift=-8.0)) == pytest.approx(probe(*digits()), abs=1.1 / 600)


def test_the_bank_alone_says_how_features_are_scaled() -> None:
    owner = torch.zeros(4, dtype=torch.int64)
    # Means 3 and 5, deviations 1 and 0: 0.1 is not exact, and neither is its mean.
    values = [[2.0, 5.0, 0.1], [4.0, 5.0, 0.1], [2.0, 5.0, 0.1], [4.0, 5.0, 0.1]]
    bank = Features(torch.tensor(values), owner, owner)
    test = Features(torch.tensor([[1e6, 6.0, 1e-9]] * 4), owner, owner)
    found, others = standardised(bank, test)
    assert found.features.tolist() == [[-1, 0, 0], [1, 0, 0], [-1, 0, 0], [1, 0, 0]]
    # What never varied where it was learnt says nothing elsewhere.
    assert others.features.tolist() == [[1e6 - 3, 0, 0]] * 4
    assert found.labels is bank.labels
