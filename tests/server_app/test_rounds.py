"""Rounds over loopback: nobody is lost in silence, and a bad reply is one client's affair."""

import json
from pathlib import Path

import pytest
from flwr.app import ConfigRecord, Message

from strategies.common.errors import FederationError
from tests.loopback import Tamper, without_clocks
from tests.server_app.small_federation import (
    Play,
    continued,
    failing,
    is_training,
    player,
    sent,
    trained,
)

pytestmark = pytest.mark.federation


@pytest.fixture
def federation(tmp_path: Path) -> Play:
    return player(tmp_path)


def test_one_message_per_node_and_round_brings_back_everything(federation: Play) -> None:
    fed = federation(3)
    lines = fed.play()
    assert sent(fed, "train") == [(r, node) for r in (1, 2) for node in (100, 101, 102)]
    assert sent(fed, "evaluate") == []
    assert [line["round"] for line in lines] == [1, 2]
    for line in lines:
        assert trained(line) == [0, 1, 2]
        nodes = line["nodes"].values()
        correct = sum(node["accuracy"] * node["test_samples"] for node in nodes)
        assert line["accuracy"] == pytest.approx(correct / 30)
        assert 0 < line["macro_f1"] <= 1
        assert len(line["class_accuracy"]) == 10
        assert all(0 <= node["macro_f1"] <= 1 for node in nodes)
        assert set(line["seconds"]) >= {"wait", "configure", "replies", "decode", "aggregate"}
    assert continued(lines[0]) == {"0": 0, "1": 0, "2": 0}
    assert continued(lines[1]) == {"0": 1, "1": 1, "2": 1}


def test_equal_settings_give_equal_journals_and_another_seed_another(federation: Play) -> None:
    first = without_clocks(federation(2, "a").play())
    assert without_clocks(federation(2, "b").play()) == first
    assert without_clocks(federation(2, "c", seed=1).play()) != first


def test_a_lost_reply_fails_that_client_alone_and_is_not_trained_twice(federation: Play) -> None:
    fed = federation(2, round_deadline_s=1.0, rounds=3)

    def lose(node_id: int, reply: Message) -> Message | None:
        return None if node_id == 101 and is_training(reply, 2) else reply

    fed.grid.tamper = lose
    lines = fed.play()
    assert lines[1]["nodes"]["1"] == {"failure": "client 1 (cnn): no reply within 1 s"}
    assert trained(lines[1]) == [0]
    # The client had trained and saved round 2, but the server knows only of round 1.
    assert continued(lines[2]) == {"0": 2, "1": 1}


def test_a_dead_node_is_named_although_flower_answers_for_it(federation: Play) -> None:
    fed = federation(3)
    fed.grid.tamper = lambda node, r: failing(r) if node == 101 and is_training(r, 1) else r
    lines = fed.play()
    assert trained(lines[0]) == [0, 2]
    assert "client 1 (cnn): the node is gone" in lines[0]["nodes"]["1"]["failure"]
    assert trained(lines[1]) == [0, 1, 2]
    assert continued(lines[1]) == {"0": 1, "1": 0, "2": 1}


def change(**values: object) -> Tamper:
    def tamper(node_id: int, reply: Message) -> Message:
        if node_id == 101 and is_training(reply, 1):
            reply.content["report"] = ConfigRecord({**reply.content["report"], **values})
        return reply

    return tamper


def add_record(node_id: int, reply: Message) -> Message:
    if node_id == 101 and is_training(reply, 1):
        reply.content["surprise"] = ConfigRecord({"x": 1})
    return reply


def drop_report(node_id: int, reply: Message) -> Message:
    if node_id == 101 and is_training(reply, 1):
        del reply.content["report"]
    return reply


@pytest.mark.parametrize(
    ("tamper", "told"),
    [
        (change(correct=11), "report.correct: expected at most test_samples=10, got 11"),
        (change(loss=float("nan")), "report.loss"),
        (change(round_number=2), "report.round_number: expected 1, got 2"),
        (change(class_hits=[10] * 10), "report.class_hits: expected a sum of"),
        (change(more=1), "report.more"),
        (change(notes=["x" * 2000]), "report: expected at most 1500 bytes, got"),
        (add_record, "expected no payload, got surprise"),
        (drop_report, "expected a record report, got none"),
    ],
)
def test_a_reply_that_breaks_its_schema_is_a_failure_and_the_round_goes_on(
    federation: Play, tamper: Tamper, told: str
) -> None:
    fed = federation(2, rounds=1, max_report_bytes=1500)
    fed.grid.tamper = tamper
    (line,) = fed.play()
    assert trained(line) == [0]
    assert line["nodes"]["1"]["failure"].startswith("client 1 (cnn): ")
    assert told in line["nodes"]["1"]["failure"]


def test_a_round_with_too_few_replies_is_tried_once_more_and_comes_out_the_same(
    federation: Play,
) -> None:
    undisturbed = federation(2, "undisturbed").play()
    fed = federation(2, "disturbed", min_replies=2)
    failures = [101, 100]  # the first time each is asked in its round

    def fail(node_id: int, reply: Message) -> Message:
        due = failures and node_id == failures[0] and is_training(reply, 3 - len(failures))
        if not due:
            return reply
        failures.pop(0)
        return failing(reply, 2, "<class 'x.DataError'>:<'disk full'>")

    fed.grid.tamper = fail
    lines = fed.play()
    assert failures == []
    # Only the client that failed is asked again, and no trace of its failure is left.
    assert sent(fed, "train") == [(1, 100), (1, 101), (1, 101), (2, 100), (2, 101), (2, 100)]
    assert without_clocks(lines) == without_clocks(undisturbed)


def test_who_comes_for_the_second_try_trains_and_is_tested_like_the_others(
    federation: Play,
) -> None:
    """A method whose models are tested once more with what aggregation made asks it too."""
    fed = federation(3, method="fedproto", rounds=1, min_nodes=2, min_replies=3)
    fed.grid.offline = {102}

    def come(node_id: int, reply: Message) -> Message:
        if is_training(reply, 1):
            fed.grid.offline = set()
        return reply

    fed.grid.tamper = come
    (line,) = fed.play()
    assert sent(fed, "train") == [(1, 100), (1, 101), (1, 102)]
    assert sent(fed, "evaluate") == [(1, 100), (1, 101), (1, 102)]
    assert trained(line) == [0, 1, 2]
    assert all(node["test_samples"] > 0 for node in line["nodes"].values())
    listed = json.loads((fed.run_folder / "clients.json").read_text())
    assert set(listed["clients"]) == {"0", "1", "2"}


def test_after_two_tries_the_run_ends_with_every_reason_and_what_it_has(federation: Play) -> None:
    fed = federation(3, report=True, rounds=4, min_replies=2)

    def fail(node_id: int, reply: Message) -> Message:
        if is_training(reply, 3) and node_id != 100:
            return failing(reply, 2, f"<class 'x.DataError'>:<'disk {node_id} full'>")
        return reply

    fed.grid.tamper = fail
    with pytest.raises(FederationError) as caught:
        fed.play()
    assert str(caught.value) == (
        "round 3: expected at least min-replies=2 good replies, got 1 after two tries: "
        "client 1 (cnn): DataError: disk 101 full; client 2 (cnn): DataError: disk 102 full. "
        "The run is saved up to its last complete round: mend the nodes, then start it again with "
        "run-name='test' and resume=true"
    )
    assert [node for r, node in sent(fed, "train") if r == 3] == [100, 101, 102, 101, 102]
    assert [line["round"] for line in fed.lines()] == [1, 2]
    assert (fed.run_folder / "report.html").stat().st_size > 1000
    assert '"phase": "failed"' in (fed.run_folder / "progress.json").read_text()
    assert len(list((fed.run_folder / "checkpoints").iterdir())) >= 2


def test_a_round_in_which_all_replied_and_are_too_few_says_so(federation: Play) -> None:
    with pytest.raises(FederationError) as caught:
        federation(2, rounds=1, min_replies=3).play()
    assert str(caught.value).startswith(
        "round 1: expected at least min-replies=3 good replies, got 2 after two tries: all that "
        "were asked replied, so more nodes or a smaller min-replies are needed. The run"
    )


def test_a_client_that_recovered_is_no_reason(federation: Play) -> None:
    fed = federation(3, rounds=1, min_replies=3)
    fed.grid.tamper = lambda node, reply: (
        failing(reply)
        if is_training(reply, 1) and (node == 102 or (len(sent(fed, "train")) <= 3 and node == 101))
        else reply
    )
    with pytest.raises(FederationError) as caught:
        fed.play()
    assert "got 2 after two tries: client 2 (cnn): the node is gone" in str(caught.value)
    assert "client 1" not in str(caught.value)
