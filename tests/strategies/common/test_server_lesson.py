"""What a server's module learns in a round, and what it does not."""

import pytest
import torch
from torch import Tensor, nn

from strategies.common.server_lesson import ServerLessonSettings, taught


def learnt(rate: float, rows: Tensor) -> tuple[nn.Linear, float, tuple[str, ...]]:
    module = nn.Linear(1, 1, bias=False)
    nn.init.ones_(module.weight)
    settings = ServerLessonSettings(server_epochs=2, server_batch_size=2, server_learning_rate=rate)
    return taught(
        module,
        "toy",
        settings,
        len(rows),
        lambda learner, part: learner(rows[part[:1]]).sum(),
        torch.Generator().manual_seed(0),
    )


def test_two_passes_in_batches_of_two() -> None:
    # The gradient is the row looked at, 1, in each of four steps: the weight falls by 0.1 a step,
    # and the loss is the weight before the step.
    module, loss, notes = learnt(0.1, torch.ones(4, 1))
    torch.testing.assert_close(module.weight, torch.full((1, 1), 0.6))
    assert abs(loss - (1 + 0.9 + 0.8 + 0.7) / 4) < 1e-6
    assert notes == ()


def test_a_round_that_diverges_is_left_out_and_its_loss_is_a_mean_all_the_same() -> None:
    # The weight is 1, then 1 - 3e38, then beyond all float32.
    module, loss, notes = learnt(3e38, torch.ones(2, 1))
    assert module.weight.tolist() == [[1.0]]
    assert loss == pytest.approx(-1.5e38, rel=1e-6)
    assert notes == (
        "toy: the server's training diverged at toy.server-learning-rate=3e+38 and was left out of "
        "this round; lower it",
    )
