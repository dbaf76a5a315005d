"""Few labels: which ones, and how far they get."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from strategies.common.errors import ModelError
from strategies.mocosfl import classifiers
from strategies.mocosfl.classifiers import few_labels, stratified
from tests.strategies.mocosfl.feature_blobs import feature_blobs


@settings(max_examples=30, deadline=None)
@given(
    labels=st.lists(st.integers(0, 4), min_size=1, max_size=60),
    share=st.sampled_from([0.01, 0.1, 0.5, 1.0]),
)
def test_every_class_gives_its_share_and_at_least_one(labels: list[int], share: float) -> None:
    classes = torch.tensor(labels)
    rows = stratified(classes, share, torch.Generator().manual_seed(0))
    assert rows.tolist() == sorted(set(rows.tolist()))
    for label in set(labels):
        count = labels.count(label)
        assert int((classes[rows] == label).sum()) == max(1, round(share * count))


def test_other_seeds_choose_other_samples() -> None:
    labels = torch.zeros(100, dtype=torch.int64)
    drawn = [stratified(labels, 0.1, torch.Generator().manual_seed(s)).tolist() for s in (0, 0, 1)]
    assert drawn[0] == drawn[1]
    assert drawn[0] != drawn[2]


def test_a_tenth_of_the_labels_is_enough_for_easy_classes() -> None:
    bank, test = feature_blobs(60, noise=0.2), feature_blobs(10, noise=0.2, seed=1)
    found = few_labels(
        bank, test, share=0.1, num_classes=3, generator=torch.Generator().manual_seed(0), epochs=20
    )
    assert found.labelled == 18
    assert found.probe.last.accuracy > 0.95


def test_the_learning_rate_falls_after_epochs_and_not_after_batches(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[float] = []

    def recorded(*arguments: object, rates: list[float], **named: object) -> None:
        seen.extend(rates)

    monkeypatch.setattr(classifiers, "fit", recorded)
    bank = feature_blobs(3)
    few_labels(bank, bank, share=1.0, num_classes=3, generator=torch.Generator().manual_seed(0))
    assert seen == pytest.approx([1e-3] * 60 + [1e-4] * 20 + [1e-5] * 20)


def test_a_single_sample_is_refused() -> None:
    bank = feature_blobs(5, classes=1)
    with pytest.raises(ModelError, match="expected at least 2 labelled samples, got 1 of 5"):
        few_labels(bank, bank, share=0.1, num_classes=1, generator=torch.Generator())
