"""Means of rows by class."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from strategies.common.class_means import ClassSums, class_means, means_by_class
from tests.strategies.fake_device import FakeDevice, blobs
from tests.strategies.halves import run_of

CPU = torch.device("cpu")


def test_class_means_are_taken_over_all_batches_and_skip_absent_classes() -> None:
    sums = ClassSums(3, 2, CPU)
    sums.add(torch.tensor([[1.0, 2.0], [3.0, 4.0]]), torch.tensor([2, 0]))
    sums.add(torch.tensor([[5.0, 0.0], [0.0, 4.0]]), torch.tensor([2, 2]))
    means = sums.means()
    # Class 2: ((1, 2) + (5, 0) + (0, 4)) / 3 = (2, 2); class 1 never occurs.
    assert means.labels.tolist() == [0, 2]
    assert means.rows.tolist() == [[3.0, 4.0], [2.0, 2.0]]
    assert means.counts.tolist() == [1, 3]
    assert means.rows.dtype == torch.float32


def test_batches_are_gathered_whatever_yields_them() -> None:
    batches = [
        (torch.tensor([[1.0], [5.0]]), torch.tensor([0, 0])),
        (torch.tensor([[9.0]]), torch.tensor([2])),
    ]
    means = means_by_class(iter(batches), 3)
    assert means.rows.tolist() == [[3.0], [9.0]]
    assert means.counts.tolist() == [2, 1]
    assert means.counts.dtype == torch.int64
    with pytest.raises(ValueError, match="at least one batch"):
        means_by_class([], 3)


def test_features_are_averaged_over_the_training_samples_in_evaluation_mode() -> None:
    inputs, labels = blobs(5, (0, 2))
    tests = blobs(3, (0, 2), seed=1)
    device = FakeDevice(inputs, labels, *tests, 3, 4, run_of("local"))
    model = device.build_model()
    means = class_means(device, model)
    assert not model.training
    with torch.no_grad():
        features = model.features(inputs)
    assert means.labels.tolist() == [0, 2]
    assert means.counts.tolist() == [5, 5]
    for row, label in zip(means.rows, (0, 2), strict=True):
        torch.testing.assert_close(row, features[labels == label].mean(0))


@settings(max_examples=30, deadline=None)
@given(
    labels=st.lists(st.integers(0, 4), min_size=1, max_size=40),
    split=st.integers(1, 39),
    seed=st.integers(0, 1000),
)
def test_means_agree_with_a_loop_and_do_not_depend_on_the_batches(
    labels: list[int], split: int, seed: int
) -> None:
    rows = torch.randn(len(labels), 3, generator=torch.Generator().manual_seed(seed))
    known = torch.tensor(labels)
    sums = ClassSums(5, 3, CPU)
    sums.add(rows[:split], known[:split])
    sums.add(rows[split:], known[split:])
    means = sums.means()
    assert means.labels.tolist() == sorted(set(labels))
    for row, label in zip(means.rows, means.labels, strict=True):
        torch.testing.assert_close(row, rows[known == label].mean(0))


def test_later_rows_can_weigh_more() -> None:
    """Check 10 of distillation: equal weights are the mean, larger late ones move towards it."""
    first, last = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]])
    label = torch.tensor([1])
    means = []
    for weights in ((1.0, 1.0), (3.0, 3.0), (1.0, 3.0)):
        sums = ClassSums(2, 2, torch.device("cpu"))
        sums.add(first, label, weights[0])
        sums.add(last, label, weights[1])
        means.append(sums.means())
    assert [mean.rows.tolist() for mean in means] == [[[0.5, 0.5]], [[0.5, 0.5]], [[0.25, 0.75]]]
    assert [mean.counts.tolist() for mean in means] == [[2]] * 3
