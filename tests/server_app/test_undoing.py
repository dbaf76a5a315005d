"""A round that cannot be taken in is undone, once; the same for all who play rounds."""

import pytest

from server_app.undoing import Undoing
from strategies.common.errors import ModelError
from strategies.common.round import Aggregated


def test_a_single_round_is_undone_and_told_and_the_second_in_a_row_raises() -> None:
    undoing, restored = Undoing(), list[int]()

    def fails() -> Aggregated:
        raise ModelError("it diverged")

    def takes_in() -> Aggregated:
        return Aggregated({"classes": 1.0})

    def play(number: int, *, well: bool) -> Aggregated:
        return undoing.take_in(number, takes_in if well else fails, lambda: restored.append(number))

    assert play(1, well=False).notes == (
        "aggregation failed and is undone, nothing was learnt in this round: ModelError: it "
        "diverged",
    )
    assert play(2, well=True) == takes_in()
    play(3, well=False)
    with pytest.raises(ModelError):
        play(4, well=False)
    assert restored == [1, 3]
