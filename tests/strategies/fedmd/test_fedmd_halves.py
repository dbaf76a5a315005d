"""FedMD's weights, its diagnostics, and what a client learns before it first speaks."""

import pytest
import torch

from strategies.common.inputs import Images
from strategies.common.open_data import OpenSet
from strategies.common.round import Reply
from strategies.common.task import Task
from strategies.common.wire import encode
from strategies.fedmd.wire import Logits
from tests.strategies import halves
from tests.strategies.fake_device import FakeDevice, blobs

TASK = Task(3, Images(1, 4, 4), 5, open_set=OpenSet("0" * 64, 2))
RUN = halves.run_of("fedmd", open_data="digits")
ONE = torch.tensor([[4.0, 0.0, -1.0], [0.0, 1.0, 0.0]])
OTHER = torch.tensor([[0.0, 2.0, -1.0], [0.0, 5.0, 4.0]])


@pytest.mark.parametrize(("weights", "share"), [("equal", 0.5), ("samples", 0.25)])
def test_the_consensus_is_the_weighted_mean_of_raw_logits(weights: str, share: float) -> None:
    """Check 42: weights sum to one."""
    half = halves.server("fedmd", TASK, RUN, weights=weights)
    state = half.start()
    said = half.aggregate(state, 2, [Reply(0, 10, Logits(ONE)), Reply(1, 30, Logits(OTHER))])
    mean = share * ONE + (1 - share) * OTHER
    told = half.broadcast(state)
    torch.testing.assert_close(told.rows, mean)
    assert told.round.tolist() == [2]
    apart = ((ONE - mean).abs().mean() + (OTHER - mean).abs().mean()) / 2
    assert said.diagnostics["disagreement"] == pytest.approx(float(apart))


def test_a_round_of_5000_public_samples_costs_what_the_paper_says() -> None:
    """Check 43: 5,000 samples of 16 classes are 320,000 bytes, beside a header."""
    assert 320_000 < len(encode(Logits(torch.zeros(5000, 16)), "float32")) < 320_300


def device(round_number: int, classes: torch.Tensor | None) -> FakeDevice:
    x, y = blobs(6, [0, 1, 2])
    opened = blobs(4, [0, 1, 2], seed=7)[0]
    return FakeDevice(
        x, y, x, y, 3, 5, RUN, round_number=round_number, open_inputs=opened, open_classes=classes
    )


def test_public_labels_are_read_before_the_first_turn_alone() -> None:
    labels = blobs(4, [0, 1, 2], seed=7)[1]
    first = device(3, labels)
    half = halves.client("fedmd", first.task, RUN, pretrain_epochs=2)
    state = half.start(first)
    assert "transfer" in half.train(first, state, None).losses
    # Without labels there: who reads them now fails.
    assert "transfer" not in half.train(device(4, None), state, None).losses


def test_without_pretraining_nobody_reads_public_labels() -> None:
    unlabelled = device(1, None)
    half = halves.client("fedmd", unlabelled.task, RUN)
    assert half.train(unlabelled, half.start(unlabelled), None).losses.keys() == {"total"}
