"""Whole runs in which something is lost on the way: nothing else about them differs."""

from collections.abc import Callable
from pathlib import Path

import pytest
from flwr.app import Message

from server_app import turn_lengths
from tests.loopback import Tamper, without_clocks
from tests.server_app.small_federation import failing, is_training, player

pytestmark = pytest.mark.federation

NOTE = "client 1 (cnn): what it was sent, or its reply, was lost on the way; sent again"


def lost_in_silence() -> Tamper:
    """Lose client 1's reply of round 2 after it has saved the round, once."""
    lost: list[Message] = []

    def lose(node_id: int, reply: Message) -> Message | None:
        if node_id == 101 and is_training(reply, 2) and not lost:
            lost.append(reply)
            return None
        return reply

    return lose


def lost_by_flower() -> Tamper:
    """Have Flower say that it has lost that reply."""
    lose = lost_in_silence()
    return lambda node_id, reply: lose(node_id, reply) or failing(reply, 3)


@pytest.mark.parametrize(
    "lose", [lost_in_silence, pytest.param(lost_by_flower, marks=pytest.mark.thorough)]
)
def test_a_run_in_which_a_reply_is_lost_ends_like_one_without(
    lose: Callable[[], Tamper], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turn_lengths, "LEAST_PATIENCE_S", 0.2)
    # Moments of the optimiser are part of the state that a second turn goes on from.
    settings = {"method": "fedproto", "optimiser": "adamw", "learning_rate": 0.01, "rounds": 3}
    expected = without_clocks(player(tmp_path)(2, "whole", **settings).play())
    fed = player(tmp_path)(2, "lossy", **settings)
    fed.grid.tamper = lose()
    lines = without_clocks(fed.play())
    assert [line.pop("notes", []) for line in lines] == [[], [NOTE], []]
    assert lines == [{k: v for k, v in line.items() if k != "notes"} for line in expected]
    turns = [m.metadata.dst_node_id for m in fed.grid.sent if m.metadata.message_type == "train"]
    assert turns == [100, 101, 100, 101, 101, 100, 101]


def test_a_client_whose_introduction_was_lost_takes_part_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server_app.roster._QUERY_PATIENCE_S", 0.1)
    fed = player(tmp_path)(2, rounds=1)
    lost: list[Message] = []

    def lose(node_id: int, reply: Message) -> Message | None:
        if node_id == 101 and reply.metadata.message_type == "query" and not lost:
            lost.append(reply)
            return None
        return reply

    fed.grid.tamper = lose
    (line,) = fed.play()
    assert set(line["nodes"]) == {"0", "1"}
    assert all("accuracy" in node for node in line["nodes"].values())
