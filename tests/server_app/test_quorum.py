"""Waiting for nodes: no round is burnt while they are gone, and those that refuse are named."""

import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from flwr.app import Message

from server_app import gathering
from server_app.rounds import RoundLoop
from strategies.common.errors import FederationError, ModelError
from tests.loopback import Federation, without_clocks
from tests.server_app.scripted_grid import ScriptedGrid
from tests.server_app.small_federation import (
    Play,
    is_training,
    player,
    sent,
    trained,
)
from tests.server_app.test_roster import described
from tests.strategies import halves

pytestmark = pytest.mark.federation


@pytest.fixture
def federation(tmp_path: Path) -> Play:
    return player(tmp_path)


@pytest.mark.xdist_group("clocks")
def test_a_run_waits_for_enough_nodes_and_then_says_who_is_missing(federation: Play) -> None:
    fed = federation(3, quorum_timeout_s=0.4)
    fed.grid.offline = {101, 102}
    started = time.monotonic()
    with pytest.raises(FederationError) as caught:
        fed.play()
    assert 0.4 <= time.monotonic() - started < 20
    told = str(caught.value)
    assert told.startswith("round 1: expected min-nodes=3 nodes that can take part, got 1 after")
    assert "nodes that cannot: none" in told
    assert "run-name='test' and resume=true" in told
    assert sent(fed, "train") == []
    assert not (fed.run_folder / "rounds.jsonl").exists()


def test_a_reason_that_all_nodes_give_is_told_once(federation: Play) -> None:
    fed = federation(3, data="images:/no/where")
    with pytest.raises(FederationError) as caught:
        fed.play()
    told = str(caught.value)
    assert "nodes that cannot: node 100, node 101, node 102: " in told
    assert told.count("expected a folder at where") == 1


def unlike(federation: Play, **own: Any) -> Federation:
    fed = federation(4, method="fedavg", models="cnn,resnet4", min_nodes=2, rounds=1, **own)
    fed.grid.offline = {102, 103}
    return fed


def test_those_who_come_first_and_are_unlike_wait_for_their_like(federation: Play) -> None:
    fed = unlike(federation, quorum_timeout_s=60.0)
    came = threading.Timer(1.0, fed.grid.offline.clear)
    came.start()
    (line,) = fed.play()
    came.join()
    assert set(line["nodes"]) == {"0", "1", "2", "3"}


def test_who_stays_unlike_is_refused(federation: Play) -> None:
    with pytest.raises(ModelError, match="got 2 clients with as many architectures"):
        unlike(federation, quorum_timeout_s=0.4).play()
    # Where all are there, nobody is waited for.
    alone = federation(2, "all", method="fedavg", models="cnn,resnet4", quorum_timeout_s=600.0)
    with pytest.raises(ModelError, match="got 2 clients with as many architectures"):
        alone.play()


def test_who_is_left_alone_while_others_are_waited_for_does_not_begin(
    federation: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One client fits whatever it holds, and is fewer than min-nodes."""
    fed = unlike(federation, quorum_timeout_s=0.4)
    kept = gathering.Gathering.fitting

    def leave(self: gathering.Gathering, *given: Any) -> Any:
        fed.grid.offline.add(101)
        return kept(self, *given)

    monkeypatch.setattr(gathering.Gathering, "fitting", leave)
    with pytest.raises(FederationError, match="expected min-nodes=2 nodes"):
        fed.play()
    assert sent(fed, "train") == []


def test_no_round_is_burnt_while_nodes_are_gone(federation: Play) -> None:
    fed = federation(2, rounds=50, quorum_timeout_s=0.4)

    def leave(node_id: int, reply: Message) -> Message:
        if node_id == 101 and is_training(reply, 2):
            fed.grid.offline = {101}
        return reply

    fed.grid.tamper = leave
    with pytest.raises(FederationError, match=r"^round 3: expected min-nodes=2 nodes .* got 1"):
        fed.play()
    assert [line["round"] for line in fed.lines()] == [1, 2]
    assert sent(fed, "train")[-1] == (2, 101)


def test_a_client_that_went_away_is_in_every_line_with_the_reason(federation: Play) -> None:
    fed = federation(3, rounds=3, min_nodes=2)
    impostor = {**fed.grid.node_configs[101]}

    def change(node_id: int, reply: Message) -> Message:
        if node_id == 102 and is_training(reply, 1):
            fed.grid.offline = {102}
            fed.grid.node_configs[666] = impostor
        return reply

    fed.grid.tamper = change
    lines = fed.play()
    assert [set(line["nodes"]) for line in lines] == [{"0", "1", "2"}] * 3
    for line in lines[1:]:
        assert line["nodes"]["2"] == {
            "failure": "client 2 (cnn): not connected when the round began"
        }
        # Node 101 is there, so that a second node in its name has no say.
        assert trained(line) == [0, 1]
    assert 666 not in {node for _, node in sent(fed, "train")}


def test_the_wait_for_nodes_begins_anew_with_every_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    grid = ScriptedGrid(online=list(range(100, 110)))
    run = halves.run_of("local", min_nodes=10, quorum_timeout_s=300.0, feature_dim=16)
    clock = [0.0]

    def sleep(seconds: float) -> None:
        # Each node takes four minutes, one after another, and every poll ten seconds.
        clock[0] += seconds * 100
        due = int(clock[0] // 240)
        for number in range(min(due, answering)):
            if number not in replied:
                replied.add(number)
                grid.reply(number, described(number))

    monkeypatch.setattr(gathering, "time", SimpleNamespace(monotonic=lambda: clock[0], sleep=sleep))
    replied: set[int] = set()
    answering = 10
    loop = RoundLoop(grid, halves.server("local"), run, "run-1", lambda *_: None)
    assert len(loop.gathering.wait(1, first=False)) == 10
    assert clock[0] > 2000
    grid, clock[0], answering = ScriptedGrid(online=list(range(100, 110))), 0.0, 3
    replied.clear()
    loop = RoundLoop(grid, halves.server("local"), run, "run-1", lambda *_: None)
    with pytest.raises(FederationError, match="got 3 after 10"):
        loop.gathering.wait(1, first=False)


def test_a_node_that_comes_back_in_time_is_waited_for(federation: Play) -> None:
    undisturbed = federation(2, "undisturbed").play()
    fed = federation(2, "disturbed", quorum_timeout_s=30.0)
    looks: list[int] = []
    node_ids = fed.grid.get_node_ids

    def away_for_three_looks() -> list[int]:
        if len(sent(fed, "train")) == 2:
            looks.append(1)
        fed.grid.offline = {101} if 0 < len(looks) <= 3 else set()
        return list(node_ids())

    fed.grid.get_node_ids = away_for_three_looks  # type: ignore[method-assign]
    assert without_clocks(fed.play()) == without_clocks(undisturbed)
    assert len(looks) == 4


@pytest.mark.xdist_group("clocks")
def test_a_node_that_cannot_take_part_ends_the_run_at_once_with_its_reason(
    federation: Play,
) -> None:
    fed = federation(2, quorum_timeout_s=600.0)
    fed.grid.node_configs[101] = {"partition-id": 7, "num-partitions": 2}
    started = time.monotonic()
    with pytest.raises(FederationError) as caught:
        fed.play()
    assert time.monotonic() - started < 60
    assert "got 1 after" in str(caught.value)
    assert "node 101: SettingsError: node config partition-id: expected 0 to 1, got 7" in str(
        caught.value
    )
    assert sent(fed, "train") == []


def test_nodes_that_cannot_take_part_do_not_matter_where_enough_others_can(
    federation: Play,
) -> None:
    fed = federation(3, min_nodes=2, rounds=1)
    fed.grid.node_configs[102] = {"partition-id": 7, "num-partitions": 2}
    (line,) = fed.play()
    assert trained(line) == [0, 1]


def test_clients_of_another_task_end_the_run_with_what_to_set(federation: Play) -> None:
    fed = federation(2, models="cnn,resnet4", feature_dim=0, rounds=1)
    assert trained(fed.play()[0]) == [0, 1]  # unlike widths are no matter for Local
    fed = federation(2, "images", quorum_timeout_s=600.0)
    fed.grid.node_configs[101] = {
        **fed.grid.node_configs[101],
        "data": f"folder:{fed.folder}/none",
    }
    with pytest.raises(FederationError, match="node 101: DataError: "):
        fed.play()


def test_a_device_that_restarts_under_another_id_goes_on_where_it_was(federation: Play) -> None:
    undisturbed = federation(2, "undisturbed", rounds=3).play()
    fed = federation(2, "disturbed", rounds=3)

    def restart(node_id: int, reply: Message) -> Message:
        if node_id == 101 and is_training(reply, 2):
            fed.grid.node_configs[901] = fed.grid.node_configs[101]
            fed.grid.offline = {101}
        return reply

    fed.grid.tamper = restart
    lines = fed.play()
    assert sent(fed, "train")[-2:] == [(3, 100), (3, 901)]
    assert without_clocks(lines) == without_clocks(undisturbed)


def test_a_node_that_cannot_take_part_keeps_out_none_that_is_on_its_way(federation: Play) -> None:
    fed = federation(4, min_nodes=3, rounds=1, quorum_timeout_s=30.0)
    fed.arrival_s = 10.0
    fed.grid.node_configs[103] = {"partition-id": 7, "num-partitions": 4}
    looks: list[int] = []
    node_ids = fed.grid.get_node_ids

    def late() -> list[int]:
        looks.append(1)
        fed.grid.offline = {102} if len(looks) < 6 else set()
        return list(node_ids())

    fed.grid.get_node_ids = late  # type: ignore[method-assign]
    (line,) = fed.play()
    assert trained(line) == [0, 1, 2]
