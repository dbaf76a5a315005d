"""What is said of sessions that went wrong, and that nothing is said of good ones."""

import math

import pytest
import torch
from torch.nn import functional

from strategies.mocosfl.figures import collapse_notes, spread

GUESSING = 2 * math.log(6001)


def notes(loss: float, accuracy: float, key_spread: float = 0.9) -> tuple[str, ...]:
    numbers = {"loss": loss, "contrast_accuracy": accuracy, "key_spread": key_spread}
    return collapse_notes(numbers, 6000, 2)


@pytest.mark.parametrize(
    ("loss", "accuracy", "word"),
    [(17.40, 0.0, "learns nothing"), (17.40, 0.0002, "learns nothing"), (14.5, 1.0, "by a hair")],
)
def test_the_signatures_of_the_authors_logs(loss: float, accuracy: float, word: str) -> None:
    # 17.40 is 2 ln(6001).
    assert pytest.approx(17.40, abs=0.01) == GUESSING
    (note,) = notes(loss, accuracy)
    assert word in note
    assert "mocosfl.learning-rate" in note


def test_keys_on_one_point_are_told_whatever_the_loss() -> None:
    (note,) = notes(9.0, 0.5, key_spread=0.01)
    assert "collapsed" in note


@pytest.mark.parametrize(("loss", "accuracy"), [(9.0, 0.4), (16.5, 0.02), (3.0, 1.0)])
def test_a_healthy_session_needs_no_word(loss: float, accuracy: float) -> None:
    assert notes(loss, accuracy) == ()
    assert collapse_notes({}, 6000, 2) == ()


def test_one_term_guesses_at_half_the_loss() -> None:
    numbers = {"loss": math.log(6001), "contrast_accuracy": 0.0, "key_spread": 0.9}
    assert len(collapse_notes(numbers, 6000, 1)) == 1
    assert collapse_notes(numbers, 6000, 2) == ()


def test_spread_by_hand() -> None:
    # Opposite points have their mean in the middle: all of the length is spread.
    assert spread(torch.tensor([[1.0, 0.0], [-1.0, 0.0]])) == pytest.approx(1)
    assert spread(torch.tensor([[0.6, 0.8]] * 5)) == pytest.approx(0, abs=1e-6)
    # Cosine c between two: the mean has length sqrt((1 + c) / 2).
    pair = functional.normalize(torch.tensor([[1.0, 0.0], [1.0, 1.0]]))
    assert spread(pair) == pytest.approx(math.sqrt(1 - (1 + math.sqrt(0.5)) / 2), rel=1e-5)
