"""Journals of the lab's runs: what counts as the same, and what is named."""

from typing import Any

import pytest

from benchmarks.containers.failure import CheckError
from benchmarks.containers.journals import (
    accuracies,
    complete_lines,
    difference,
    failures,
    sent_again,
)
from benchmarks.containers.uplink import Rounds, table


def node(accuracy: float, **more: Any) -> dict[str, Any]:
    return {"accuracy": accuracy, "uplink_bytes": 5, "seconds": {"total": 1.0}, **more}


def line(number: int, seconds: float = 1.0, **nodes: Any) -> dict[str, Any]:
    told = {name.removeprefix("n"): entry for name, entry in nodes.items()}
    return {"round": number, "seconds": {"total": seconds}, "nodes": told, "notes": []}


GONE = {"failure": "the node is gone"}


def test_a_line_that_is_being_written_is_left_for_later() -> None:
    assert complete_lines('{"round": 1}\n{"rou') == [{"round": 1}]
    assert complete_lines('{"rou') == []


def test_clients_that_failed_are_named_and_have_no_accuracy() -> None:
    journal = [line(1, n0=node(0.5), n1=node(0.25)), line(2, n0=node(0.5), n1=GONE)]
    assert accuracies(journal[1]) == {"0": 0.5}
    assert failures(journal) == ["round 2, client 1: the node is gone"]


def test_what_is_measured_may_differ_and_nothing_else() -> None:
    expected = [line(1, n0=node(0.5))]
    assert difference(expected, [line(1, 9.0, n0=node(0.5, uplink_bytes=6))]) is None
    told = difference(expected, [line(1, n0=node(0.5000001))])
    assert told == "line 1, nodes, 0, accuracy: expected 0.5, got 0.5000001"


def test_what_was_sent_again_may_be_noted_and_is_told() -> None:
    again = "client 1 (cnn): what it was sent, or its reply, was lost on the way; sent again"
    noted = {**line(1, n0=node(0.5)), "notes": [again]}
    assert difference([line(1, n0=node(0.5))], [noted]) is None
    assert sent_again([noted, line(2)]) == [f"round 1: {again}"]
    other = {**line(1, n0=node(0.5)), "notes": [again, "client 1 left"]}
    found = difference([line(1, n0=node(0.5))], [other])
    assert found == "line 1, notes, 1: expected 'nothing', got 'client 1 left'"


@pytest.mark.parametrize(
    ("got", "told"),
    [
        ([], "line 1: expected {'round': 1"),
        ([line(1)], "line 1, nodes, 0: expected {'accuracy': 0.5}, got 'nothing'"),
        ([line(1, n0=node(0.5)), line(2)], "line 2: expected 'nothing'"),
        ([line(1, n0=node(0.5, notes=[]))], "line 1, nodes, 0, notes: expected 'nothing', got []"),
    ],
)
def test_what_one_journal_lacks_is_named(got: list[dict[str, Any]], told: str) -> None:
    found = difference([line(1, n0=node(0.5))], got)
    assert found is not None
    assert found.startswith(told)


def test_rounds_are_told_without_the_first() -> None:
    nodes = [{"n0": node(0.5, downlink_bytes=size * 10**6)} for size in (9, 1, 3, 2)]
    journal = [
        line(n, s, **own) for n, s, own in zip(range(1, 5), (60, 5, 9, 7), nodes, strict=True)
    ]
    rounds = Rounds.of(journal)
    assert rounds.seconds == 7
    assert rounds.own == {"0": 1.0}
    assert rounds.up == {"0": 5e-6}
    assert rounds.down == {"0": 2.0}


def test_a_client_that_failed_behind_the_line_is_no_time_but_a_fault() -> None:
    with pytest.raises(CheckError, match="round 2, client 1: the node is gone"):
        Rounds.of([line(1, n0=node(0.5)), line(2, n0=node(0.5), n1=GONE)])


def test_times_stand_beside_the_client_that_is_behind_the_line() -> None:
    sizes = {"0": 1.0, "2": 1.0}
    plain, slow = (Rounds(seconds, sizes, sizes, sizes) for seconds in (4.0, 31.0))
    shown = table({"message": plain}, {"message": slow})
    cells = [list(column.cells) for column in shown.columns]
    assert cells[1] == ["0", "2, behind it"]
    assert cells[-2:] == [["", "4.0"], ["", "31.0"]]
