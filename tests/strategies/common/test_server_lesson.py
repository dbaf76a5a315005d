"""What a server's module learns in a round, and what it does not."""

import pytest
import torch
from torch import Tensor, nn

from strategies.common.class_table import GatheredRows
from strategies.common.server_lesson import ServerLesson, ServerLessonSettings, taught

CPU = torch.device("cpu")


def first_row(learner: nn.Module, rows: Tensor, labels: Tensor) -> Tensor:
    loss: Tensor = learner(rows[:1]).sum()
    return loss


def learnt(rate: float, rows: Tensor) -> tuple[nn.Linear, nn.Module, float]:
    module = nn.Linear(1, 1, bias=False)
    nn.init.ones_(module.weight)
    settings = ServerLessonSettings(server_epochs=2, server_batch_size=2, server_learning_rate=rate)
    lesson = ServerLesson(module, first_row, lambda learner, loss: {})
    sent = GatheredRows(rows, torch.zeros(len(rows), dtype=torch.int64))
    return module, *taught(lesson, sent, settings, torch.Generator().manual_seed(0), CPU)


def test_two_passes_in_batches_of_two_leave_the_module_as_it_is() -> None:
    # The gradient is the row looked at, 1, in each of four steps: the weight falls by 0.1 a step,
    # and the loss is the weight before the step.
    module, learner, loss = learnt(0.1, torch.ones(4, 1))
    (weight,) = learner.parameters()
    torch.testing.assert_close(weight, torch.full((1, 1), 0.6))
    assert abs(loss - (1 + 0.9 + 0.8 + 0.7) / 4) < 1e-6
    assert module.weight.tolist() == [[1.0]]


def test_a_batch_has_the_classes_of_its_rows() -> None:
    met = []

    def loss_of(learner: nn.Module, rows: Tensor, labels: Tensor) -> Tensor:
        met.extend(zip(rows[:, 0].tolist(), labels.tolist(), strict=True))
        return first_row(learner, rows, labels)

    settings = ServerLessonSettings(server_epochs=1, server_batch_size=2, server_learning_rate=0.1)
    lesson = ServerLesson(nn.Linear(1, 1), loss_of, lambda learner, loss: {})
    sent = GatheredRows(torch.arange(5.0)[:, None], torch.arange(5) + 10)
    taught(lesson, sent, settings, torch.Generator().manual_seed(0), CPU)
    assert sorted(met) == [(float(row), row + 10) for row in range(5)]


def test_what_diverged_has_a_loss_all_the_same() -> None:
    # The weight is 1, then 1 - 3e38, then beyond all float32.
    _, learner, loss = learnt(3e38, torch.ones(2, 1))
    assert not any(bool(parameter.isfinite().all()) for parameter in learner.parameters())
    assert loss == pytest.approx(-1.5e38, rel=1e-6)
