"""Counting by client."""

import pytest
import torch

from strategies.common.round import Evaluation
from strategies.common.split.hits import count_hits


def test_each_client_has_its_own_count_and_mean_loss() -> None:
    hits = count_hits(
        torch.tensor([True, False, True, True]),
        torch.tensor([1.0, 2.0, 4.0, 0.5]),
        torch.tensor([7, 2, 7, 7]),
    )
    assert list(hits.evaluations) == [2, 7]
    assert hits.samples == {2: 1, 7: 3}
    assert hits.evaluations[2] == Evaluation(0, 2.0)
    assert hits.evaluations[7].correct == 3
    assert hits.evaluations[7].loss == pytest.approx(5.5 / 3)
    assert hits.accuracy == 0.75
