"""A round that cannot be taken in is undone, once; the same for all who play rounds."""

from typing import Any

import pytest
import torch

from server_app.round_context import PlayedRound, RoundContext
from server_app.round_record import RoundRecord
from server_app.undoing import Undoing
from strategies.common.errors import ModelError
from strategies.common.inputs import Images
from strategies.common.round import Aggregated
from strategies.common.task import Task
from tests.strategies import halves

TASK = Task(3, Images(1, 8, 8), 5)


def test_a_single_round_is_undone_and_told_and_the_second_in_a_row_raises() -> None:
    run = halves.run_of("fedproto")
    half: Any = halves.server("fedproto", TASK, run)
    undoing, restored, state = Undoing(half, run), list[int](), half.start()

    def fails() -> Aggregated:
        raise ModelError("it diverged")

    def spoils() -> Aggregated:
        state.rows = torch.full((3, 5), torch.nan)
        return takes_in()

    def takes_in() -> Aggregated:
        return Aggregated({"classes": 1.0, "apart": float("inf")})

    def restore(number: int) -> None:
        state.rows = torch.zeros(0, 5)
        restored.append(number)

    def play(number: int, aggregate: Any) -> Aggregated:
        played = PlayedRound(
            RoundRecord(number), RoundContext(number, {}, state, TASK, {}), aggregate
        )
        said = undoing.take_in(played, lambda: restore(number))
        assert played.record.seconds["aggregate"] >= 0
        return said

    told = "aggregation failed and is undone, nothing was learnt in this round: ModelError: "
    assert play(1, fails).notes == (f"{told}it diverged",)
    taken_in = play(2, takes_in)
    assert taken_in.diagnostics == {"classes": 1.0}
    assert "apart" in taken_in.notes[0]
    assert play(3, spoils).notes[0].startswith(f"{told}state rows: expected finite values")
    with pytest.raises(ModelError, match="it diverged"):
        play(4, fails)
    assert restored == [1, 3]
