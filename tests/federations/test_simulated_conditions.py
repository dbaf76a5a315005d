"""Whole runs with stragglers, dropouts and slow links."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from flwr.app import Message

from tests.loopback import without_clocks
from tests.server_app.small_federation import is_training, player

pytestmark = pytest.mark.federation

AWAY: dict[str, Any] = {"num_clients": 3, "rounds": 4, "simulated.dropout": 0.4}


class PowerCutError(Exception):
    """The server dies when a reply arrives."""


def cut_in_round_3(node: int, reply: Message) -> Message:
    if is_training(reply, 3):
        raise PowerCutError
    return reply


def test_a_dropped_client_fails_by_name_and_goes_on_from_what_was_accepted(tmp_path: Path) -> None:
    play = player(tmp_path)
    lines = play(name="whole", **AWAY).play()
    accepted = {"0": 0, "1": 0, "2": 0}
    dropped = 0
    for line in lines:
        assert set(line["nodes"]) == set(accepted)
        for partition, node in line["nodes"].items():
            if reason := node.get("failure"):
                told = "DropoutError: simulated dropout (simulated.dropout=0.4)"
                assert reason == f"client {partition} (cnn): {told}"
                dropped += 1
            else:
                assert node["continued_from"] == accepted[partition]
                accepted[partition] = line["round"]
    assert 0 < dropped < 12
    cut = play(name="cut", **AWAY)
    cut.grid.tamper = cut_in_round_3
    with pytest.raises(PowerCutError):
        cut.play()
    resumed = play(name="cut", resume=True, **AWAY).play()
    assert without_clocks(resumed) == without_clocks(lines)


def test_a_run_comes_to_its_end_though_all_clients_would_drop_out(tmp_path: Path) -> None:
    away = {**AWAY, "simulated.dropout": 0.99}
    lines = player(tmp_path)(name="whole", min_replies=2, **away).play()
    for line in lines:
        assert sum("failure" not in node for node in line["nodes"].values()) == 2
    assert len(lines) == 4


def test_slow_clients_wait_and_learn_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    play = player(tmp_path)
    usual = play(name="usual", round_deadline_s=77.0)
    lines = usual.play()
    waits: list[float] = []
    monkeypatch.setattr("client_app.main.time", SimpleNamespace(sleep=waits.append))
    slow = {"simulated.stragglers": 0.5, "simulated.straggler-factor": 3.0}
    link = {"simulated.link-mbit": 1e-6}
    slowed = play(name="slow", round_deadline_s=77.0, **slow, **link)
    assert without_clocks(slowed.play()) == without_clocks(lines)
    # One of two clients in two rounds, and each message; none is slower than the deadline.
    assert len(waits) == 6
    assert waits.count(77.0) == 4
