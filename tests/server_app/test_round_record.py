"""A journal line, worked out by hand."""

import json
import math
import time
from collections.abc import Sequence
from dataclasses import replace

import pytest

from server_app.client import Client
from server_app.crossed import Crossed
from server_app.journal import read_round, write_round
from server_app.round_record import MeasuredAccuracy, NodeRecord, RoundRecord
from strategies.common.round import Aggregated
from strategies.common.transport.control import Description, Report


def client(partition: int) -> Client:
    description = Description(
        partition=partition,
        num_partitions=3,
        model=f"model-{partition}",
        num_classes=10,
        inputs="images",
        sizes=[1, 8, 8],
        feature_dim=16,
        foundation="",
        rank=0,
        places=[],
        class_names=[],
        train_samples=30,
        test_samples=10,
        train_counts=[],
        clients=1,
        figures={},
        test_counts=[],
        notes=[],
    )
    return Client(100 + partition, description)


def node(
    partition: int, correct: int, test_samples: int, loss: float, *, took_part: bool = True
) -> NodeRecord:
    report = Report(
        round_number=4,
        continued_from=3,
        correct=correct,
        test_samples=test_samples,
        loss=loss,
        validation_correct=0,
        validation_samples=0,
        validation_loss=0.0,
        class_samples=[],
        class_hits=[],
        class_predictions=[],
        train_samples=30,
        load_s=0.25,
        train_s=2.0,
        evaluate_s=0.5,
        save_s=0.125,
        notes=["a note"],
        scores={"own": 0.5},
        losses={"total": 0.75},
        figures={"peak_memory_bytes": 5e8},
    )
    return NodeRecord(
        client=client(partition),
        report=report,
        took_part=took_part,
        uplink={"report": 200, "fd.logits": 1000},
        downlink={"order": 60, "fd.means": 500},
    )


@pytest.fixture
def record() -> RoundRecord:
    record = RoundRecord(4, seconds={"wait": 1.0, "replies": 2.5})
    record.nodes = {2: node(2, 3, 10, 2.0), 0: node(0, 24, 30, 1.0, took_part=False)}
    record.failures = {1: "client 1 (model-1): no reply within 60 s"}
    return record


def test_means_are_weighted_by_test_samples_and_the_spread_is_not(record: RoundRecord) -> None:
    line = record.to_line("fd", Aggregated())
    # 3 of 10 and 24 of 30: 27 of 40, where the plain mean of 0.3 and 0.8 would be 0.55.
    assert line.accuracy == record.accuracy() == 27 / 40
    # (2 * 10 + 1 * 30) / 40
    assert line.loss == pytest.approx(1.25)
    # 0.3 and 0.8 lie 0.25 from their mean each.
    assert line.accuracy_std == pytest.approx(0.25)


def test_the_spread_of_three_is_the_population_deviation() -> None:
    record = RoundRecord(1, nodes={n: node(n, 2 * n, 10, 0.0) for n in range(3)})
    # 0, 0.2, 0.4: squares of the distances 0.04, 0, 0.04, over three.
    assert record.to_line("fd", Aggregated()).accuracy_std == pytest.approx(math.sqrt(0.08 / 3))


def test_one_client_has_no_spread() -> None:
    line = RoundRecord(1, nodes={5: node(5, 7, 10, 0.5)}).to_line("fd", Aggregated())
    assert (line.accuracy, line.loss, line.accuracy_std) == (0.7, 0.5, 0.0)


def test_a_round_without_replies_has_no_means(record: RoundRecord) -> None:
    record.nodes = {}
    line = record.to_line("fd", Aggregated())
    assert (line.accuracy, line.loss, line.accuracy_std) == (None, None, None)
    assert record.accuracy() is None


def test_a_line_tells_of_every_client_in_order(record: RoundRecord) -> None:
    entries = json.loads(write_round(record.to_line("fd", Aggregated())))["nodes"]
    assert list(entries) == ["0", "1", "2"]
    assert entries["1"] == {"failure": "client 1 (model-1): no reply within 60 s"}
    assert entries["2"] == {
        "accuracy": 0.3,
        "loss": 2.0,
        "macro_f1": None,
        "validation_accuracy": None,
        "validation_loss": None,
        "tested_by": "device",
        "train_samples": 30,
        "test_samples": 10,
        "model": "model-2",
        "took_part": True,
        "uplink_bytes": 1200,
        "downlink_bytes": 560,
        "payload_bytes": {
            "down/order": 60,
            "down/fd.means": 500,
            "up/report": 200,
            "up/fd.logits": 1000,
        },
        "seconds": {"load": 0.25, "train": 2.0, "evaluate": 0.5, "save": 0.125, "total": 2.875},
        "scores": {"own": 0.5},
        "losses": {"total": 0.75},
        "figures": {"peak_memory_bytes": 5e8},
        "continued_from": 3,
        "notes": ["a note"],
    }
    assert entries["0"]["took_part"] is False


def test_a_line_tells_of_the_server(record: RoundRecord) -> None:
    aggregated = Aggregated(diagnostics={"alignment": 0.5}, notes=("it did not learn",))
    line = record.to_line("fd", aggregated)
    assert (line.round_number, line.method) == (4, "fd")
    assert line.seconds == {"wait": 1.0, "replies": 2.5, "total": 3.5}
    assert line.diagnostics == {"alignment": 0.5}
    assert line.notes == ("it did not learn",)


def test_a_line_is_read_back_by_those_who_show_it(record: RoundRecord) -> None:
    line = record.to_line("fd", Aggregated(diagnostics={"alignment": 0.5}))
    told = read_round(json.loads(write_round(line)), "here")
    assert told == line
    assert (told.round_number, told.accuracy) == (4, 27 / 40)
    assert told.failures == record.failures
    assert (told.uplink_bytes, told.downlink_bytes) == (2400, 1120)
    assert set(told.answered) == {0, 2}


def test_phases_add_up_and_an_error_does_not_lose_their_time() -> None:
    record = RoundRecord(1)
    with record.timed("aggregate"):
        time.sleep(0.02)
    with pytest.raises(KeyError), record.timed("aggregate"):
        raise KeyError(time.sleep(0.02))
    assert 0.04 <= record.seconds["aggregate"] < 5
    assert set(record.seconds) == {"aggregate"}


def test_what_the_server_tested_counts_where_the_device_tested_nothing() -> None:
    untested = node(1, 0, 0, 0.0)
    by_server = replace(untested, by_server=MeasuredAccuracy(correct=3, samples=4, loss=0.5))
    record = RoundRecord(1, nodes={0: untested, 1: by_server})
    line = record.to_line("mocosfl", Aggregated())
    assert (line.accuracy, line.loss, line.accuracy_std) == (0.75, 0.5, 0.0)
    entries = line.answered
    assert entries[0].accuracy is entries[0].loss is None
    assert (entries[1].accuracy, entries[1].test_samples) == (0.75, 4)
    assert entries[1].tested_by == "server"


def with_classes(told: NodeRecord, *counts: Sequence[int]) -> NodeRecord:
    names = ("class_samples", "class_hits", "class_predictions")
    update = dict(zip(names, map(list, counts), strict=True))
    return replace(told, report=told.report.model_copy(update=update))


def test_classes_are_counted_over_all_clients_together() -> None:
    # Client 0: 2 of 2 and 1 of 2 right, one bee taken for an ant; client 1: no ant, 1 of 6 bees.
    first = with_classes(node(0, 3, 4, 0.0), (2, 2, 0), (2, 1, 0), (3, 1, 0))
    second = with_classes(node(1, 1, 6, 0.0), (0, 6, 0), (0, 1, 0), (5, 1, 0))
    line = RoundRecord(1, nodes={0: first, 1: second}).to_line("fd", Aggregated())
    # 2 * 2 / (2 + 3) and 2 * 1 / (2 + 1); 0 and 2 * 1 / (6 + 1).
    assert line.answered[0].macro_f1 == pytest.approx((4 / 5 + 2 / 3) / 2)
    assert line.answered[1].macro_f1 == pytest.approx((0 + 2 / 7) / 2)
    # Together ants 2 of 2 with 8 so called, bees 2 of 8 with 2 so called; nobody has a cat.
    assert line.class_accuracy == (1.0, 0.25, None)
    assert line.macro_f1 == pytest.approx((2 * 2 / (2 + 8) + 2 * 2 / (8 + 2)) / 2)


def test_one_client_that_tells_no_counts_takes_no_score_from_the_others() -> None:
    told = with_classes(node(0, 3, 4, 0.0), (2, 2), (2, 1), (3, 1))
    own = node(1, 1, 6, 0.0)
    silent = replace(own, report=own.report.model_copy(update={"macro_f1": 0.25}))
    line = RoundRecord(1, nodes={0: told, 1: silent}).to_line("fd", Aggregated())
    assert line.macro_f1 == line.answered[0].macro_f1 == pytest.approx((4 / 5 + 2 / 3) / 2)
    assert line.class_accuracy == (1.0, 0.5)
    (note,) = line.notes
    assert note.startswith("scores of classes are of 1 of 2 clients")
    assert line.answered[1].macro_f1 == 0.25


def test_validation_is_weighted_by_the_samples_held_out() -> None:
    def held_out(told: NodeRecord, correct: int, samples: int, loss: float) -> NodeRecord:
        names = ("validation_correct", "validation_samples", "validation_loss")
        update = dict(zip(names, (correct, samples, loss), strict=True))
        return replace(told, report=told.report.model_copy(update=update))

    record = RoundRecord(1, nodes={0: held_out(node(0, 1, 9, 0.0), 1, 2, 1.0)})
    record.nodes[1] = held_out(node(1, 1, 9, 0.0), 6, 6, 0.5)
    record.nodes[2] = node(2, 1, 9, 0.0)
    line = record.to_line("fd", Aggregated())
    assert [n.validation_accuracy for n in line.answered.values()] == [0.5, 1.0, None]
    assert [n.validation_loss for n in line.answered.values()] == [1.0, 0.5, None]
    # 1 of 2 and 6 of 6; (2 * 1 + 6 * 0.5) / 8.
    assert line.validation_accuracy == record.validation_accuracy() == 7 / 8
    assert line.validation_loss == pytest.approx(5 / 8)


def test_bytes_of_a_stream_are_added_to_those_of_the_messages() -> None:
    told = node(0, 1, 2, 0.0).with_traffic({"stream": 7, "report": 1}, {"stream": 9})
    assert told.uplink == {"report": 201, "fd.logits": 1000, "stream": 7}
    assert told.downlink == {"order": 60, "fd.means": 500, "stream": 9}


def test_what_crossed_before_the_round_is_of_everyone_who_was_there(record: RoundRecord) -> None:
    seeds, generator = {"faug.seeds": 70}, {"faug.generator": 900}
    record.before = {p: Crossed(seeds, generator) for p in (1, 2, 3, 4)}
    # Whoever is tested after aggregation has an entry from then on.
    record.add_test(RoundRecord(4, nodes={4: node(4, 1, 2, 0.0, took_part=False)}))
    line = record.to_line("fd", Aggregated())
    assert {c: own.uplink_bytes for c, own in line.answered.items()} == {0: 1200, 2: 1270, 4: 1270}
    assert line.answered[4].payload_bytes["down/faug.generator"] == 900
    assert list(line.aside) == [1, 3]
    assert line.aside[3].payload_bytes == {"down/faug.generator": 900, "up/faug.seeds": 70}
    assert (line.uplink_bytes, line.downlink_bytes) == (3 * 1200 + 4 * 70, 3 * 560 + 4 * 900)
    assert line.unanswered == {1: (record.failures[1], line.aside[1]), 3: (None, line.aside[3])}


def test_notes_of_the_exchange_stand_before_those_of_the_method() -> None:
    record = RoundRecord(1, notes=["client 3 was late"])
    line = record.to_line("mocosfl", Aggregated(notes=("collapsed",)))
    assert line.notes == ("client 3 was late", "collapsed")


@pytest.mark.parametrize("loss", [float("inf"), float("nan")])
def test_what_the_server_measured_on_a_network_that_diverged_is_left_out(
    record: RoundRecord, loss: float
) -> None:
    diverged = MeasuredAccuracy(1, 10, loss)
    record.nodes[2] = replace(record.nodes[2], by_server=diverged)
    line = record.to_line("splitfed", Aggregated({"loss": loss, "clients": 2.0}))
    assert line.nodes[2].loss is None  # type: ignore[union-attr]
    assert line.loss == 1.0
    assert line.diagnostics == {"clients": 2.0}
    assert any("got others for loss" in note for note in line.notes)
    assert read_round(json.loads(write_round(line)), "here") == line


def test_whoever_failed_in_a_round_is_not_told_of_again_in_its_test() -> None:
    record, later = RoundRecord(4), RoundRecord(4)
    record.failures = {1: "client 1: no reply"}
    record.nodes = {0: node(0, 3, 4, 1.0)}
    later.failures = {0: "client 0: damaged", 1: "client 1: still no reply"}
    assert record.add_test(later) == ["client 0: damaged"]
    assert record.failures == {1: "client 1: no reply"}
