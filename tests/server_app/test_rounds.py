"""Rounds over loopback: nobody is lost in silence, and no round is burnt."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flwr.app import ConfigRecord, Error, Message

from strategies.common import seeds
from strategies.common.errors import FederationError
from tests.loopback import Federation, Tamper, without_clocks

pytestmark = pytest.mark.federation

Line = dict[str, Any]
Play = Callable[..., Federation]

SMALL = {
    "method": "local",
    "models": "cnn",
    "data": "digits",
    "partition": "iid",
    "max-samples": 40,
    "feature-dim": 16,
    "learning-rate": 0.1,
    "rounds": 2,
}


@pytest.fixture
def federation(tmp_path: Path) -> Play:
    """Build a small federation; a folder of its own for each name."""

    def build(num_clients: int = 2, name: str = "here", **overrides: Any) -> Federation:
        named = {key.replace("_", "-"): value for key, value in overrides.items()}
        return Federation(tmp_path / name, num_clients, {**SMALL, **named})

    return build


def round_of(reply: Message) -> int:
    return int(reply.metadata.group_id or 0)


def is_training(reply: Message, round_number: int) -> bool:
    return reply.metadata.message_type == "train" and round_of(reply) == round_number


def failing(message: Message, code: int = 5, reason: str = "") -> Message:
    """Turn a reply into the failure that Flower would report in its own name."""
    message.metadata.__dict__["_src_node_id"] = 1
    failed = Message(Error(code, reason), reply_to=message)
    failed.metadata.__dict__["_reply_to_message_id"] = message.metadata.reply_to_message_id
    return failed


def sent(federation: Federation, kind: str) -> list[tuple[int, int]]:
    """Return (round, node) of every message of a kind."""
    return [
        (int(message.metadata.group_id), message.metadata.dst_node_id)
        for message in federation.grid.sent
        if message.metadata.message_type == kind
    ]


def trained(line: Line) -> list[int]:
    return [int(p) for p, node in line["nodes"].items() if node.get("took_part")]


def only_tested(line: Line) -> list[int]:
    return [int(p) for p, node in line["nodes"].items() if node.get("took_part") is False]


def continued(line: Line) -> dict[str, int]:
    return {p: node["continued_from"] for p, node in line["nodes"].items() if "accuracy" in node}


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


def test_after_two_tries_the_run_ends_with_every_reason_and_what_it_has(federation: Play) -> None:
    fed = federation(3, rounds=4, min_replies=2)
    fed.report = True

    def fail(node_id: int, reply: Message) -> Message:
        if is_training(reply, 3) and node_id != 100:
            return failing(reply, 2, f"<class 'x.DataError'>:<'disk {node_id} full'>")
        return reply

    fed.grid.tamper = fail
    with pytest.raises(FederationError) as caught:
        fed.play()
    assert str(caught.value) == (
        "round 3: expected at least min-replies=2 good replies, got 1 after two tries: "
        "client 1 (cnn): DataError: disk 101 full; client 2 (cnn): DataError: disk 102 full"
    )
    assert [node for r, node in sent(fed, "train") if r == 3] == [100, 101, 102, 101, 102]
    assert [line["round"] for line in fed.lines()] == [1, 2]
    assert (fed.run_folder / "report.html").stat().st_size > 1000
    assert '"phase": "failed"' in (fed.run_folder / "progress.json").read_text()
    assert len(list((fed.run_folder / "checkpoints").iterdir())) >= 2


def chosen_by_hand(seed: int, round_number: int, clients: int, count: int) -> list[int]:
    import torch

    generator = seeds.generator(seed, "participation", round_number=round_number)
    return sorted(torch.randperm(clients, generator=generator).tolist()[:count])


def test_a_part_of_the_clients_is_drawn_anew_each_round(federation: Play) -> None:
    lines = federation(4, participation=0.5, evaluate_every=0, rounds=6).play()
    drawn = [trained(line) for line in lines]
    assert drawn == [chosen_by_hand(0, r, 4, 2) for r in range(1, 7)]
    assert len({tuple(pair) for pair in drawn}) > 2
    assert all(only_tested(line) == [] for line in lines)
    # Each goes on from the last round in which it took part.
    last = dict.fromkeys("0123", 0)
    for line in lines:
        assert continued(line) == {str(p): last[str(p)] for p in trained(line)}
        last.update({str(p): line["round"] for p in trained(line)})


@pytest.mark.parametrize(("participation", "count"), [(0.1, 1), (0.34, 1), (0.6, 2), (0.99, 3)])
def test_at_least_one_client_takes_part(federation: Play, participation: float, count: int) -> None:
    (line,) = federation(3, participation=participation, rounds=1, evaluate_every=0).play()
    assert len(trained(line)) == count


def test_every_so_many_rounds_the_others_are_tested_without_learning(federation: Play) -> None:
    fed = federation(4, participation=0.5, evaluate_every=2, rounds=4)
    lines = fed.play()
    for line in lines:
        others = sorted({0, 1, 2, 3} - set(trained(line)))
        assert only_tested(line) == (others if line["round"] % 2 == 0 else [])
    assert {r for r, _ in sent(fed, "evaluate")} == {2, 4}
    # What was only tested is not gone on from: the next training starts from the last one.
    last = dict.fromkeys("0123", 0)
    for line in lines:
        assert continued(line) == {p: last[p] for p in continued(line)}
        last.update({str(p): line["round"] for p in trained(line)})
        # No device is asked for a round that it never trained, which it would note.
        assert all(node["notes"] == [] for node in line["nodes"].values())
    assert all(lines[1]["nodes"][str(p)]["losses"] == {} for p in only_tested(lines[1]))


def test_testing_changes_nothing_for_those_who_train(federation: Play) -> None:
    with_tests = federation(4, "a", participation=0.5, evaluate_every=1, rounds=3).play()
    without = federation(4, "b", participation=0.5, evaluate_every=0, rounds=3).play()
    for one, other in zip(with_tests, without, strict=True):
        assert trained(one) == trained(other)
        for partition in map(str, trained(one)):
            assert without_clocks(one["nodes"][partition]) == without_clocks(
                other["nodes"][partition]
            )


def test_a_client_that_stepped_in_for_another_is_not_tested_on_top(federation: Play) -> None:
    fed = federation(4, participation=0.5, evaluate_every=1, min_replies=3, rounds=2)
    lines = fed.play()
    # Two are drawn, three replies are needed: all others are asked to train as well.
    for line in lines:
        assert trained(line) == [0, 1, 2, 3]
        assert only_tested(line) == []
    assert sent(fed, "evaluate") == []
    assert continued(lines[1]) == dict.fromkeys("0123", 1)


def test_a_client_that_cannot_be_tested_is_a_failure_of_its_own(federation: Play) -> None:
    fed = federation(2, participation=0.5, evaluate_every=1, rounds=1)
    fed.grid.tamper = lambda _, r: failing(r) if r.metadata.message_type == "evaluate" else r
    (line,) = fed.play()
    assert len(trained(line)) == 1
    (idle,) = {"0", "1"} - {str(p) for p in trained(line)}
    assert "the node is gone" in line["nodes"][idle]["failure"]


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
