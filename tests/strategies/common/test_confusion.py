"""Counts by class, and the F1 scores that follow from them."""

import pytest
import torch
from sklearn.metrics import confusion_matrix, f1_score

from strategies.common.confusion import ConfusionCounts


def test_counts_and_scores_by_hand() -> None:
    # Ants: both right. Bees: one right, one taken for an ant. Cat: taken for a bee. No dog.
    labels = torch.tensor([0, 0, 1, 1, 2])
    predicted = torch.tensor([0, 0, 1, 0, 1])
    counts = ConfusionCounts.of(labels, predicted, 4)
    assert counts == ConfusionCounts((2, 2, 1, 0), (2, 1, 0, 0), (3, 2, 0, 0))
    assert counts.accuracy == (1.0, 0.5, 0.0, None)
    # Ants 2 * 2 / (2 + 3), bees 2 * 1 / (2 + 2), cats 0 / (1 + 0); dogs are left out.
    assert counts.macro_f1 == pytest.approx((4 / 5 + 1 / 2 + 0) / 3)


def test_a_class_that_is_given_without_having_samples_scores_nothing() -> None:
    counts = ConfusionCounts.of(torch.tensor([0, 0]), torch.tensor([0, 1]), 2)
    # Ants 2 * 1 / (2 + 1), bees 0 / (0 + 1).
    assert counts.macro_f1 == pytest.approx((2 / 3 + 0) / 2)


def test_without_a_sample_there_is_no_score() -> None:
    nothing = torch.tensor([], dtype=torch.int64)
    counts = ConfusionCounts.of(nothing, nothing, 2)
    assert (counts.macro_f1, counts.accuracy) == (None, (None, None))


@pytest.mark.parametrize("seed", range(5))
def test_scores_are_those_of_scikit_learn(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    # With 8 samples of 6 classes, some class has none, and some none and no prediction.
    labels, predicted = torch.randint(6, (2, 8), generator=generator)
    counts = ConfusionCounts.of(labels, predicted, 6)
    reference = f1_score(labels, predicted, average="macro", zero_division=0)
    assert counts.macro_f1 == pytest.approx(float(reference), abs=1e-12)
    matrix = confusion_matrix(labels, predicted, labels=range(6))
    assert counts.hits == tuple(matrix.diagonal())
    assert counts.samples == tuple(matrix.sum(1))
    assert counts.predictions == tuple(matrix.sum(0))


def test_samples_of_several_clients_count_as_if_they_were_ones() -> None:
    generator = torch.Generator().manual_seed(0)
    labels, predicted = torch.randint(4, (2, 30), generator=generator)
    cuts = ((0, 7), (7, 8), (8, 30))
    parts = [ConfusionCounts.of(labels[a:b], predicted[a:b], 4) for a, b in cuts]
    assert ConfusionCounts.together(parts) == ConfusionCounts.of(labels, predicted, 4)
