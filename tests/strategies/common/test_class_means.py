"""Means of rows by class."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from strategies.common.class_means import ClassSums

CPU = torch.device("cpu")


def test_class_means_are_taken_over_all_batches_and_skip_absent_classes() -> None:
    sums = ClassSums(3, 2, CPU)
    sums.add(torch.tensor([[1.0, 2.0], [3.0, 4.0]]), torch.tensor([2, 0]))
    sums.add(torch.tensor([[5.0, 0.0], [0.0, 4.0]]), torch.tensor([2, 2]))
    means = sums.means()
    # Class 2: ((1, 2) + (5, 0) + (0, 4)) / 3 = (2, 2); class 1 never occurs.
    assert means.labels.tolist() == [0, 2]
    assert means.means.tolist() == [[3.0, 4.0], [2.0, 2.0]]
    assert means.weights.tolist() == [1.0, 3.0]
    assert means.means.dtype == torch.float32


def test_weights_count_as_repeated_rows() -> None:
    sums = ClassSums(1, 1, CPU)
    sums.add(torch.tensor([[1.0], [5.0]]), torch.tensor([0, 0]), torch.tensor([3, 1]))
    # (3 * 1 + 1 * 5) / 4 = 2
    assert sums.means().means.tolist() == [[2.0]]
    assert sums.means().weights.tolist() == [4.0]


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
    for row, label in zip(means.means, means.labels, strict=True):
        torch.testing.assert_close(row, rows[known == label].mean(0))
