"""Mean soft labels on a device, and the average of all devices but one on the server."""

import math
from collections.abc import Mapping
from functools import cache

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional

from strategies.common.class_table import GatheredRows
from strategies.common.inputs import Images
from strategies.common.message import LocalTraining, ModelState
from strategies.common.task import Task
from strategies.fd.server import FDServer
from strategies.fd.wire import SoftLabels, Teacher
from tests.strategies.fake_device import FakeDevice
from tests.strategies.halves import agreed, client, replies, run_of, server

LN3 = math.log(3)
RUN = run_of("fd")
CLIENT = client("fd", distillation_weight=1.0)


@cache
def half(classes: int) -> FDServer:
    built: FDServer = server("fd", Task(classes, Images(1, 2, 2), 0))
    return built


def random_tables(clients: int, classes: int, seed: int) -> Tensor:
    noise = torch.Generator().manual_seed(seed)
    return (3 * torch.randn(clients, classes, classes, generator=noise)).softmax(2)


def gathered(tables: Tensor, present: Tensor) -> GatheredRows:
    """Return the server's state after each client sent the rows that it holds."""
    own = half(tables.shape[1])
    state = own.start()
    sent = {
        number: SoftLabels(table[held], held.nonzero().flatten())
        for number, (table, held) in enumerate(zip(tables, present, strict=True))
    }
    own.aggregate(state, 1, replies(sent))
    return state


def taught(state: GatheredRows, partition: int, classes: int) -> Tensor:
    """Return a (class, class) table with NaN where a client has no teacher."""
    table = torch.full((classes, classes), math.nan)
    teacher = half(classes).personal(state, partition)
    if teacher is not None:
        table[teacher.labels] = teacher.rows
    return table


def lesson(classes: int, downlink: Teacher | None = None) -> LocalTraining[SoftLabels]:
    """Return a round of a model whose logits are its inputs."""
    inputs, labels = torch.zeros(1, classes, 1, 1), torch.zeros(1, dtype=torch.int64)
    device = FakeDevice(inputs, labels, inputs, labels, classes, 4, RUN)
    found: LocalTraining[SoftLabels] = CLIENT.local_training(
        device,
        ModelState(nn.Flatten()),
        downlink,  # type: ignore[arg-type]
    )
    return found


def losses(logits: Tensor, labels: Tensor, teacher: Tensor | None) -> Mapping[str, Tensor]:
    """Return the losses of a batch whose teacher is a whole (class, class) table."""
    downlink = None if teacher is None else Teacher(teacher, torch.arange(len(teacher)))
    return lesson(logits.shape[1], downlink).losses(logits, labels)


def test_outputs_are_averaged_by_true_label_as_probabilities() -> None:
    plan = lesson(2)
    # Logits (ln 3, 0) are probabilities (3/4, 1/4); (0, 0) are (1/2, 1/2).
    plan.losses(torch.tensor([[LN3, 0.0], [0.0, 0.0]]), torch.tensor([1, 1]))
    plan.losses(torch.tensor([[0.0, 0.0]]), torch.tensor([1]))
    own = plan.uplink()
    assert own is not None
    # (3/4 + 1/2 + 1/2) / 3 = 7/12; label 0 never occurs.
    assert own.labels.tolist() == [1]
    torch.testing.assert_close(own.rows, torch.tensor([[7 / 12, 5 / 12]]))
    assert own.rows.dtype == torch.float32


def test_gathering_leaves_the_graph_alone() -> None:
    plan = lesson(2)
    found = plan.losses(torch.zeros(1, 2, requires_grad=True), torch.tensor([0]))
    sent = plan.uplink()
    assert sent is not None
    assert found["total"].requires_grad
    assert not sent.rows.requires_grad


@settings(max_examples=30, deadline=None)
@given(
    labels=st.lists(st.integers(0, 3), min_size=1, max_size=60),
    scale=st.floats(0.0, 200.0),
    seed=st.integers(0, 1000),
)
def test_means_are_distributions(labels: list[int], scale: float, seed: int) -> None:
    logits = scale * torch.randn(len(labels), 4, generator=torch.Generator().manual_seed(seed))
    plan = lesson(4)
    plan.losses(logits, torch.tensor(labels))
    sent = plan.uplink()
    assert sent is not None
    assert sent.labels.tolist() == sorted(set(labels))
    assert float(sent.rows.min()) >= 0
    assert float(sent.rows.max()) <= 1
    torch.testing.assert_close(sent.rows.sum(1), torch.ones(len(sent.rows)), rtol=0, atol=1e-6)
    assert sent.fault(agreed("fd", Task(4, Images(1, 1, 1), 4))) is None


@settings(max_examples=30, deadline=None)
@given(clients=st.integers(2, 10), classes=st.integers(2, 6), seed=st.integers(0, 1000))
def test_with_every_label_everywhere_it_is_the_papers_formula(
    clients: int, classes: int, seed: int
) -> None:
    """Check 1 of federated distillation."""
    tables = random_tables(clients, classes, seed)
    state = gathered(tables, torch.ones(clients, classes, dtype=torch.bool))
    for i in range(clients):
        # T_i = (M avg - A_i) / (M - 1); a row that is missing would be NaN here.
        paper = (clients * tables.mean(0) - tables[i]) / (clients - 1)
        torch.testing.assert_close(taught(state, i, classes), paper, rtol=0, atol=1e-6)


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
    state = gathered(tables, present)
    assert state.labels.bincount().tolist() == [2, 1]
    seen = {i: taught(state, i, 2) for i in range(3)}
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
    """Check 2."""
    tables = random_tables(clients, classes, seed)
    noise = torch.Generator().manual_seed(seed + 1)
    present = torch.rand(clients, classes, generator=noise) < share
    # What stands in rows that are not held must not matter.
    tables[~present] = 1e6
    state = gathered(tables, present)
    for i in range(clients):
        table = taught(state, i, classes)
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
    """Check 5."""
    tables = random_tables(3, 4, seed=5)
    present = torch.ones(3, 4, dtype=torch.bool)
    changed = tables.clone()
    changed[0] = random_tables(1, 4, seed=6)[0]
    before, after = gathered(tables, present), gathered(changed, present)
    torch.testing.assert_close(taught(before, 0, 4), taught(after, 0, 4))
    assert not torch.allclose(taught(before, 1, 4), taught(after, 1, 4))


def test_the_distillation_loss_of_a_hand_made_batch() -> None:
    logits = torch.tensor([[LN3, 0.0], [0.0, 0.0]])
    teacher = torch.tensor([[0.5, 0.5], [0.0, 0.0]])
    # Sample 0, outputs (3/4, 1/4), against (1/2, 1/2): -(ln 3/4 + ln 1/4) / 2. Sample 1 has
    # no teacher and adds 0; the mean is over both.
    expected = -(math.log(0.75) + math.log(0.25)) / 2 / 2
    loss = losses(logits, torch.tensor([0, 1]), teacher)["distillation"]
    assert loss.item() == pytest.approx(expected, rel=1e-6)


def test_without_a_teacher_there_is_no_gradient() -> None:
    """Check 3."""
    logits = torch.randn(4, 3, generator=torch.Generator().manual_seed(0)).requires_grad_()
    loss = losses(logits, torch.tensor([0, 1, 2, 0]), None)["distillation"]
    assert loss.item() == 0
    loss.backward()
    assert logits.grad is not None
    assert not logits.grad.any()


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 1000), scale=st.floats(0.1, 50.0))
def test_the_loss_is_at_least_the_teachers_entropy(seed: int, scale: float) -> None:
    """Check 4."""
    noise = torch.Generator().manual_seed(seed)
    teacher = random_tables(1, 4, seed)[0]
    logits = scale * torch.randn(16, 4, generator=noise)
    labels = torch.randint(4, (16,), generator=noise)
    loss = losses(logits, labels, teacher)["distillation"].item()
    entropy = float(torch.special.entr(teacher[labels]).sum(1).mean())
    assert loss >= entropy - 1e-5
    assert entropy >= 0


def test_a_sharp_teacher_is_the_true_label() -> None:
    logits = torch.randn(6, 3, generator=torch.Generator().manual_seed(2))
    labels = torch.tensor([0, 1, 2, 2, 1, 0])
    sharp = losses(logits, labels, torch.eye(3))["distillation"]
    torch.testing.assert_close(sharp, functional.cross_entropy(logits, labels))
