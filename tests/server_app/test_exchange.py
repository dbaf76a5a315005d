"""Questions and answers: every node ends up with a reply or a readable reason."""

import time

import pytest
from flwr.app import ConfigRecord, Error, Message, RecordDict

from server_app import exchange
from server_app.exchange import Question
from tests.server_app.scripted_grid import ScriptedGrid


def question(grid: ScriptedGrid, *node_ids: int) -> Question:
    messages = [Message(RecordDict(), node_id, "train") for node_id in node_ids]
    return Question(grid, messages)


def content(number: int) -> RecordDict:
    return RecordDict({"x": ConfigRecord({"number": number})})


def quiet(done: int, total: int) -> None:
    pass


def test_replies_are_matched_by_the_message_they_answer_not_by_sender() -> None:
    grid = ScriptedGrid()
    asked = question(grid, 100, 101, 102)
    grid.reply(2, content(2))
    grid.reply(0, content(0))
    grid.reply(1, Error(5, "whatever"))
    answers = asked.wait(10.0, quiet)
    assert {node: m.content["x"]["number"] for node, m in answers.replies.items()} == {
        100: 0,
        102: 2,
    }
    assert answers.failures == {101: "the node is gone: it stopped answering Flower's heartbeat"}


def test_only_what_is_outstanding_is_asked_for() -> None:
    grid = ScriptedGrid()
    asked = question(grid, 100, 101)
    grid.reply(0, content(0))
    asked.poll()
    assert asked.waiting_for == {101}
    grid.reply(1, content(1))
    asked.poll()
    assert asked.waiting_for == set()
    asked.poll()
    assert grid.asked_for == [{"m0", "m1"}, {"m1"}]


def test_a_reply_to_something_else_is_left_out() -> None:
    grid = ScriptedGrid()
    other = question(grid, 100)
    asked = question(grid, 101)
    grid.reply(0, content(0), message_id="m1")
    asked.poll()
    assert asked.answers.replies == {}
    assert asked.waiting_for == {101}
    assert other.waiting_for == {100}


@pytest.mark.xdist_group("clocks")
def test_a_node_that_is_silent_is_named_after_the_deadline() -> None:
    grid = ScriptedGrid()
    asked = question(grid, 100, 101)
    grid.reply(0, content(0))
    started = time.monotonic()
    answers = asked.wait(0.12, quiet)
    assert 0.12 <= time.monotonic() - started < 5
    assert list(answers.replies) == [100]
    assert answers.failures == {101: "no reply within 0.12 s"}
    assert asked.waiting_for == set()


def test_the_deadline_runs_from_the_moment_of_asking() -> None:
    grid = ScriptedGrid()
    asked = question(grid, 100)
    asked.started -= 3600
    assert asked.wait(3599.0, quiet).failures == {100: "no reply within 3599 s"}


def test_an_answer_that_is_there_at_the_deadline_counts() -> None:
    grid = ScriptedGrid()
    asked = question(grid, 100)
    asked.started -= 3600
    grid.reply(0, content(0))
    assert list(asked.wait(1.0, quiet).replies) == [100]


def test_a_message_that_flower_does_not_take_is_a_failure() -> None:
    grid = ScriptedGrid(refuse={101})
    asked = question(grid, 100, 101)
    assert asked.waiting_for == {100}
    grid.reply(0, content(0))
    told: list[tuple[int, int]] = []
    answers = asked.wait(10.0, lambda done, total: told.append((done, total)))
    assert answers.failures == {101: "the message could not be handed to Flower"}
    assert told == [(2, 2)]


def test_a_question_to_nobody_is_answered() -> None:
    grid = ScriptedGrid()
    told: list[tuple[int, int]] = []
    answers = question(grid).wait(10.0, lambda done, total: told.append((done, total)))
    assert (answers.replies, answers.failures) == ({}, {})
    assert told == [(0, 0)]
    assert grid.pushed == []


def test_progress_is_told_after_every_poll(monkeypatch: pytest.MonkeyPatch) -> None:
    grid = ScriptedGrid()
    asked = question(grid, 100, 101)
    told: list[tuple[int, int]] = []
    # Each wait between two polls brings the next reply.
    monkeypatch.setattr(exchange.time, "sleep", lambda _: grid.reply(len(told) - 1, content(0)))
    asked.wait(10.0, lambda done, total: told.append((done, total)))
    assert told == [(0, 2), (1, 2), (2, 2)]
