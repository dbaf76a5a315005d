"""What DS-FL sends is as long as the round asks, and is made of distributions."""

import pytest
import torch

from strategies.common.errors import WireError
from strategies.common.inputs import Images
from strategies.common.open_data import OpenSet
from strategies.common.task import Task
from strategies.common.wire import decode, encode
from strategies.dsfl.wire import Consensus, Predictions
from tests.strategies import halves

TASK = Task(10, Images(1, 8, 8), 32, open_set=OpenSet("0" * 64, 5000))
RUN = halves.run_of("dsfl", open_data="digits")


def test_a_round_costs_four_bytes_for_each_sample_and_class() -> None:
    """Checks 25: 1,000 samples of ten classes are 40,000 bytes, beside a header."""
    agreed = halves.agreed("dsfl", TASK, RUN, samples_per_round=1000)
    blob = encode(Predictions(torch.full((1000, 10), 0.1), None, None), "float32")
    assert 40_000 < len(blob) < 40_300
    assert decode(Predictions, blob, agreed, sender="client 0").rows.shape == (1000, 10)
    down = encode(Consensus(torch.full((1000, 10), 0.1), torch.tensor([1]), None, None), "float32")
    assert len(down) - len(blob) < 100


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda rows: rows * 2, "expected each to sum to 1, got 2 for open sample 0"),
        (lambda rows: rows.log(), r"expected entries in \[0, 1\]"),
        (lambda rows: rows[:-1], "open=1000"),
        (lambda rows: rows[:, :-1], "class=10"),
    ],
)
def test_what_is_no_answer_is_refused_by_name(spoil, reason: str) -> None:
    """Checks 28."""
    agreed = halves.agreed("dsfl", TASK, RUN, samples_per_round=1000)
    blob = encode(Predictions(spoil(torch.full((1000, 10), 0.1)), None, None), "float32")
    with pytest.raises(WireError, match=rf"client 3: dsfl\.predictions.*{reason}"):
        decode(Predictions, blob, agreed, sender="client 3")
