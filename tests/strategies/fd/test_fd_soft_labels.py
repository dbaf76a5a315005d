"""Mean soft labels, and the average of all devices but one."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from strategies.common.class_means import ClassSums
from strategies.fd.soft_labels import Pool, distillation_loss, mean_entropy, soft_labels

CPU = torch.device("cpu")
LN3 = math.log(3)


def random_tables(clients: int, classes: int, seed: int) -> Tensor:
    noise = torch.Generator().manual_seed(seed)
    return (3 * torch.randn(clients, classes, classes, generator=noise)).softmax(2)


def rows_of(pool: Pool, classes: int) -> Tensor:
    """Return a (class, class) table with NaN where the pool has no row."""
    means, labels = pool.means()
    table = torch.full((classes, classes), math.nan)
    table[labels] = means
    return table


def test_outputs_are_averaged_by_true_label_as_probabilities() -> None:
    sums = ClassSums(2, 2, CPU)
    # Logits (ln 3, 0) are probabilities (3/4, 1/4); (0, 0) are (1/2, 1/2).
    sums.add(soft_labels(torch.tensor([[LN3, 0.0], [0.0, 0.0]])), torch.tensor([1, 1]))
    sums.add(soft_labels(torch.tensor([[0.0, 0.0]])), torch.tensor([1]))
    own = sums.means()
    # (3/4 + 1/2 + 1/2) / 3 = 7/12; label 0 never occurs.
    assert own.labels.tolist() == [1]
    torch.testing.assert_close(own.means, torch.tensor([[7 / 12, 5 / 12]]))
    assert own.means.dtype == torch.float32


def test_gathering_leaves_the_graph_alone() -> None:
    assert not soft_labels(torch.zeros(1, 2, requires_grad=True)).requires_grad


@settings(max_examples=30, deadline=None)
@given(
    labels=st.lists(st.integers(0, 3), min_size=1, max_size=60),
    scale=st.floats(0.0, 200.0),
    seed=st.integers(0, 1000),
)
def test_means_are_distributions(labels: list[int], scale: float, seed: int) -> None:
    logits = scale * torch.randn(len(labels), 4, generator=torch.Generator().manual_seed(seed))
    sums = ClassSums(4, 4, CPU)
    sums.add(soft_labels(logits), torch.tensor(labels))
    means, present = sums.means().means, sums.means().labels
    assert present.tolist() == sorted(set(labels))
    assert float(means.min()) >= 0
    assert float(means.max()) <= 1
    torch.testing.assert_close(means.sum(1), torch.ones(len(present)), rtol=0, atol=1e-6)


@settings(max_examples=30, deadline=None)
@given(clients=st.integers(2, 10), classes=st.integers(2, 6), seed=st.integers(0, 1000))
def test_with_every_label_everywhere_it_is_the_papers_formula(
    clients: int, classes: int, seed: int
) -> None:
    tables = random_tables(clients, classes, seed)
    pool = Pool.of(tables, torch.ones(clients, classes, dtype=torch.bool))
    for i in range(clients):
        teacher, labels = pool.without(tables[i], torch.ones(classes, dtype=torch.bool)).means()
        assert len(labels) == classes
        # T_i = (M avg - A_i) / (M - 1)
        paper = (clients * tables.mean(0) - tables[i]) / (clients - 1)
        torch.testing.assert_close(teacher, paper, rtol=0, atol=1e-6)


def test_holders_alone_count() -> None:
    # Three devices, two labels; label 1 is held by device 1 only.
    tables = torch.tensor(
        [
            [[0.8, 0.2], [0.0, 0.0]],
            [[0.6, 0.4], [0.3, 0.7]],
            [[0.0, 0.0], [0.0, 0.0]],
        ]
    )
    present = torch.tensor([[True, False], [True, True], [False, False]])
    pool = Pool.of(tables, present)
    assert pool.holders.tolist() == [2, 1]
    seen = {i: rows_of(pool.without(tables[i], present[i]), 2) for i in range(3)}
    # Device 0: label 0 from device 1, label 1 from device 1.
    torch.testing.assert_close(seen[0], torch.tensor([[0.6, 0.4], [0.3, 0.7]]))
    # Device 1, the single holder of label 1, has no teacher for it.
    torch.testing.assert_close(seen[1][0], torch.tensor([0.8, 0.2]))
    assert seen[1][1].isnan().all()
    # Device 2 holds nothing: the mean of all holders, divided by 2 and by 1, not by 1 and 0.
    torch.testing.assert_close(seen[2], torch.tensor([[0.7, 0.3], [0.3, 0.7]]))


@settings(max_examples=50, deadline=None)
@given(
    clients=st.integers(1, 7),
    classes=st.integers(2, 5),
    seed=st.integers(0, 1000),
    share=st.floats(0.1, 0.9),
)
def test_a_teacher_is_the_mean_of_the_other_holders(
    clients: int, classes: int, seed: int, share: float
) -> None:
    tables = random_tables(clients, classes, seed)
    noise = torch.Generator().manual_seed(seed + 1)
    present = torch.rand(clients, classes, generator=noise) < share
    # What stands in rows that are not held must not matter.
    tables[~present] = 1e6
    pool = Pool.of(tables, present)
    for i in range(clients):
        table = rows_of(pool.without(tables[i], present[i]), classes)
        for label in range(classes):
            others = [j for j in range(clients) if j != i and present[j, label]]
            if not others:
                assert table[label].isnan().all()
                continue
            row = table[label]
            torch.testing.assert_close(row, tables[others, label].mean(0), rtol=0, atol=1e-6)
            assert float(row.min()) >= 0
            assert float(row.sum()) == pytest.approx(1, abs=1e-5)


def test_a_devices_own_table_does_not_change_its_own_teacher() -> None:
    tables = random_tables(3, 4, seed=5)
    present = torch.ones(3, 4, dtype=torch.bool)
    changed = tables.clone()
    changed[0] = random_tables(1, 4, seed=6)[0]
    before, after = Pool.of(tables, present), Pool.of(changed, present)
    own = [
        pool.without(t[0], present[0]).means()[0]
        for pool, t in ((before, tables), (after, changed))
    ]
    torch.testing.assert_close(own[0], own[1])
    others = [pool.without(tables[1], present[1]).means()[0] for pool in (before, after)]
    assert not torch.allclose(others[0], others[1])


def test_the_distillation_loss_of_a_hand_made_batch() -> None:
    logits = torch.tensor([[LN3, 0.0], [0.0, 0.0]])
    teacher = torch.tensor([[0.5, 0.5], [0.0, 0.0]])
    # Sample 0, outputs (3/4, 1/4), against (1/2, 1/2): -(ln 3/4 + ln 1/4) / 2. Sample 1 has
    # no teacher and adds 0; the mean is over both.
    expected = -(math.log(0.75) + math.log(0.25)) / 2 / 2
    loss = distillation_loss(logits, torch.tensor([0, 1]), teacher)
    assert loss.item() == pytest.approx(expected, rel=1e-6)


def test_without_a_teacher_there_is_no_gradient() -> None:
    logits = torch.randn(4, 3, generator=torch.Generator().manual_seed(0)).requires_grad_()
    loss = distillation_loss(logits, torch.tensor([0, 1, 2, 0]), torch.zeros(3, 3))
    assert loss.item() == 0
    loss.backward()
    assert logits.grad is not None
    assert not logits.grad.any()


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 1000), scale=st.floats(0.1, 50.0))
def test_the_loss_is_at_least_the_teachers_entropy(seed: int, scale: float) -> None:
    noise = torch.Generator().manual_seed(seed)
    teacher = random_tables(1, 4, seed)[0]
    logits = scale * torch.randn(16, 4, generator=noise)
    labels = torch.randint(4, (16,), generator=noise)
    loss = distillation_loss(logits, labels, teacher).item()
    assert loss >= mean_entropy(teacher[labels]) - 1e-5
    assert mean_entropy(teacher[labels]) >= 0


def test_a_sharp_teacher_is_the_true_label() -> None:
    logits = torch.randn(6, 3, generator=torch.Generator().manual_seed(2))
    labels = torch.tensor([0, 1, 2, 2, 1, 0])
    sharp = distillation_loss(logits, labels, torch.eye(3))
    torch.testing.assert_close(sharp, functional.cross_entropy(logits, labels))
