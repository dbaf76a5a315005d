"""The pull towards prototypes, and the nearest prototype."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from strategies.common.class_table import (
    ClassTable,
    GatheredRows,
    RowsState,
    distance_scores,
    prototype_loss,
)
from strategies.common.round import Reply
from strategies.fd.wire import Teacher
from tests.strategies.fake_device import FakeDevice
from tests.strategies.halves import run_of

CPU = torch.device("cpu")


def table(rows: list[list[float]], known: list[bool]) -> ClassTable:
    return ClassTable(torch.tensor(rows), torch.tensor(known))


def test_overlaying_replaces_known_rows_and_leaves_the_original_alone() -> None:
    before = table([[1.0], [2.0], [0.0]], [True, True, False])
    after = before.overlaid(RowsState(torch.tensor([[7.0], [9.0]]), torch.tensor([2, 1])))
    assert after.rows.tolist() == [[1.0], [9.0], [7.0]]
    assert after.known.tolist() == [True, True, True]
    assert before.rows.tolist() == [[1.0], [2.0], [0.0]]
    assert before.known.tolist() == [True, True, False]


def test_overlaying_nothing_changes_nothing_and_a_table_knows_its_classes() -> None:
    before = table([[1.0], [0.0]], [True, False])
    assert before.overlaid(None) is before
    assert before.knows(torch.tensor([0, 0]))
    assert not before.knows(torch.tensor([0, 1]))


def test_a_table_among_some_samples_knows_their_classes_alone() -> None:
    before = table([[1.0], [2.0], [0.0]], [True, True, False])
    # Class 2 occurs and has no row, class 1 has one and does not occur.
    assert before.among(torch.tensor([2, 0, 0])).known.tolist() == [True, False, False]
    assert before.known.tolist() == [True, True, False]


def test_tables_are_as_wide_as_features_or_classes() -> None:
    samples = (torch.zeros(1, 1, 2, 2), torch.tensor([0]))
    device = FakeDevice(*samples, *samples, 3, 5, run_of("local"))
    rows = RowsState(torch.ones(1, 5), torch.tensor([2]))
    features, classes = ClassTable.of_features(device, rows), ClassTable.of_classes(device, None)
    assert features.rows.shape == (3, 5)
    assert features.known.tolist() == [False, False, True]
    assert classes.rows.shape == (3, 3)
    assert not classes.known.any()


def test_rows_that_are_kept_are_sent_unless_there_are_none() -> None:
    assert RowsState().sent_as(Teacher) is None
    sent = RowsState(torch.eye(2), torch.tensor([1, 0])).sent_as(Teacher)
    assert isinstance(sent, Teacher)
    assert sent.labels.tolist() == [1, 0]


def test_gathered_rows_are_those_of_one_round_and_know_their_owners() -> None:
    gathered = GatheredRows()
    assert len(gathered.without(0).labels) == 0
    first = Teacher(torch.eye(2), torch.tensor([1, 0]))
    second = Teacher(torch.tensor([[0.5, 0.5]]), torch.tensor([1]))
    gathered.take([Reply(3, 1, first), Reply(5, 1, second)])
    assert gathered.owners.tolist() == [3, 3, 5]
    assert gathered.labels.tolist() == [1, 0, 1]
    others = gathered.without(3)
    assert (others.rows.tolist(), others.labels.tolist()) == ([[0.5, 0.5]], [1])
    assert others.owners.tolist() == [5]
    # One who sent nothing is missed by no one.
    assert torch.equal(gathered.without(4).rows, gathered.rows)
    gathered.take([])
    assert (len(gathered.rows), len(gathered.labels), len(gathered.owners)) == (0, 0, 0)


def test_the_loss_is_a_mean_over_batch_and_features() -> None:
    features = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    prototypes = table([[0.0, 0.0], [3.0, 0.0]], [True, True])
    # Squared differences: 1, 4 for class 0 and 0, 16 for class 1; 21 / (2 * 2) = 5.25.
    loss = prototype_loss(features, torch.tensor([0, 1]), prototypes)
    assert loss.item() == pytest.approx(5.25)


def test_a_class_without_a_prototype_adds_nothing_and_gets_no_gradient() -> None:
    features = torch.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    prototypes = table([[0.0, 0.0], [0.0, 0.0]], [True, False])
    loss = prototype_loss(features, torch.tensor([0, 1]), prototypes)
    # Only class 0: (1 + 4) / 4; the batch still counts two samples.
    assert loss.item() == pytest.approx(1.25)
    loss.backward()
    assert features.grad is not None
    # d/df of f^2 / 4 is f / 2.
    assert features.grad.tolist() == [[0.5, 1.0], [0.0, 0.0]]


def test_an_empty_table_costs_nothing() -> None:
    features = torch.ones(2, 3, requires_grad=True)
    loss = prototype_loss(features, torch.tensor([0, 1]), ClassTable.empty(2, 3, CPU))
    assert loss.item() == 0
    loss.backward()
    assert features.grad is not None
    assert not features.grad.any()


def test_scores_are_squared_distances_from_the_nearest() -> None:
    prototypes = table([[0.0, 0.0], [3.0, 4.0], [9.0, 9.0]], [True, True, False])
    # Distances of (0, 1): 1 and 9 + 9 = 18; counted from the nearest: 0 and 17, and 18 for
    # the unknown class, whose row of nines is never read.
    scores = distance_scores(torch.tensor([[0.0, 1.0]]), prototypes)
    torch.testing.assert_close(scores, torch.tensor([[0.0, -17.0, -18.0]]))


def test_a_test_sample_of_an_unknown_class_costs_a_finite_loss() -> None:
    prototypes = table([[1.0], [0.0]], [True, False])
    scores = distance_scores(torch.tensor([[1e6]]), prototypes)
    # One known class: scores 0 and -1, so the loss of class 1 is log(1 + e).
    loss = functional.cross_entropy(scores, torch.tensor([1]))
    assert loss.item() == pytest.approx(math.log(1 + math.e))
    assert scores.argmax(1).tolist() == [0]


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), known=st.lists(st.booleans(), min_size=2, max_size=6))
def test_the_choice_is_the_nearest_known_prototype(seed: int, known: list[bool]) -> None:
    known[seed % len(known)] = True
    noise = torch.Generator().manual_seed(seed)
    rows = torch.randn(len(known), 4, generator=noise) + 100
    features = torch.randn(8, 4, generator=noise) + 100
    scores = distance_scores(features, ClassTable(rows, torch.tensor(known)))
    assert torch.isfinite(scores).all()
    for feature, chosen in zip(features, scores.argmax(1).tolist(), strict=True):
        distances = [
            float((feature - row).norm()) if is_known else math.inf
            for row, is_known in zip(rows, known, strict=True)
        ]
        assert distances[chosen] == pytest.approx(min(distances), rel=1e-5)
