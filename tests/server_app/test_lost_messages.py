"""What is lost on the way is sent again, and a slow node is left in peace."""

import math
from collections.abc import Callable, Iterable
from types import SimpleNamespace

import pytest
from flwr.app import ConfigRecord, Error, Message, RecordDict
from flwr.supercore.inflatable.inflatable_utils import ObjectPushError

from server_app import exchange
from server_app.exchange import Question
from server_app.pings import PING
from tests.server_app.scripted_grid import ScriptedGrid

RAISED = Error(2, "<class 'ValueError'>:<'no ping'>")


def content(number: int) -> RecordDict:
    return RecordDict({"x": ConfigRecord({"number": number})})


def at_once(node_id: int) -> float:
    """Have patience with node 101 for ever, and with others none at all."""
    return math.inf if node_id == 101 else 0.0


def question(
    grid: ScriptedGrid, patience: Callable[[int], float] | None = at_once
) -> tuple[Question, list[Message]]:
    messages = [Message(content(node_id), node_id, "train", group_id="7") for node_id in (100, 101)]
    return Question(grid, messages, patience), messages


def grid_of(*online: int) -> ScriptedGrid:
    return ScriptedGrid(online=list(online))


def pushed(grid: ScriptedGrid) -> list[tuple[int, str]]:
    return [(m.metadata.dst_node_id, m.metadata.message_type) for m in grid.pushed]


ASKED = [(100, "train"), (101, "train")]


@pytest.mark.parametrize("answer", [RecordDict(), RAISED])
def test_a_node_that_answers_a_ping_first_is_asked_again(answer: RecordDict | Error) -> None:
    grid = grid_of(100, 101)
    asked, messages = question(grid)
    asked.poll()
    assert pushed(grid) == [*ASKED, (100, PING)]
    grid.reply(2, answer)
    asked.poll()
    assert pushed(grid)[3] == (100, "train")
    again, first = grid.pushed[3], messages[0]
    assert again.content == first.content
    assert again.metadata.group_id == "7"
    # Flower takes what has the same time and content for the same message.
    assert again.metadata.created_at > first.metadata.created_at
    assert asked.waiting_for == {100, 101}
    grid.reply(3, content(1))
    grid.reply(1, content(2))
    answers = asked.wait(5.0, lambda done, total: None)
    assert {n: m.content["x"]["number"] for n, m in answers.replies.items()} == {100: 1, 101: 2}
    assert (answers.failures, answers.sent_again) == ({}, {100: 1})
    assert set(answers.seconds) == {100, 101}


def test_whichever_reply_comes_first_counts_and_the_other_is_left() -> None:
    grid = grid_of(100, 101)
    asked, _ = question(grid)
    asked.poll()
    grid.reply(2, RecordDict())
    asked.poll()
    # Not lost after all: of two copies that both arrive, one turn counts.
    grid.reply(0, content(1))
    grid.reply(3, content(2))
    asked.poll()
    assert asked.answers.replies[100].content["x"]["number"] == 1
    assert asked.waiting_for == {101}
    asked.poll()
    assert grid.asked_for[-1] == {"m1"}


def test_a_node_at_work_is_not_asked_again_however_long_it_takes() -> None:
    grid = grid_of(100, 101)
    asked, _ = question(grid)
    for _ in range(4):
        asked.poll()
    assert {kind for _, kind in pushed(grid)[2:]} == {PING}
    # It has answered in order, and both answers are found together.
    grid.reply(0, content(1))
    grid.reply(2, RecordDict())
    asked.poll()
    assert asked.answers.replies.keys() == {100}
    assert asked.answers.sent_again == {}


@pytest.mark.parametrize("code", [3, 4, 5])
def test_what_flower_says_of_a_ping_proves_nothing(code: int) -> None:
    grid = grid_of(100, 101)
    asked, _ = question(grid)
    asked.poll()
    grid.reply(2, Error(code))
    asked.poll()
    assert {kind for _, kind in pushed(grid)[2:]} == {PING}


def test_a_ping_from_before_a_copy_says_nothing_of_the_copy() -> None:
    grid = grid_of(100, 101)
    asked, _ = question(grid)
    asked.poll()
    asked.poll()
    assert pushed(grid)[2:] == [(100, PING)] * 2
    grid.reply(2, RecordDict())
    asked.poll()
    grid.reply(3, RecordDict())
    asked.poll()
    assert [kind for _, kind in pushed(grid)].count("train") == 3


@pytest.mark.parametrize("code", [3, 4])
def test_a_reply_that_flower_has_lost_is_asked_for_again_at_once(code: int) -> None:
    grid = grid_of(100, 101)
    asked, _ = question(grid, lambda _: math.inf)
    grid.reply(0, Error(code, "unavailable"))
    asked.poll()
    assert pushed(grid) == [*ASKED, (100, "train")]
    grid.reply(2, content(1))
    asked.poll()
    assert asked.answers.replies.keys() == {100}


def test_a_node_that_was_removed_is_not_asked_again() -> None:
    grid = grid_of(101)
    asked, _ = question(grid, lambda _: math.inf)
    grid.reply(0, Error(3, "unavailable"))
    asked.poll()
    assert pushed(grid) == ASKED
    assert asked.answers.failures == {100: "unavailable"}


def test_a_node_that_looks_gone_after_a_breakdown_is_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(exchange, "_HICCUP_S", -1e9)  # every look takes longer
    grid = grid_of(101)
    asked, _ = question(grid, lambda _: math.inf)
    grid.reply(0, Error(5))
    asked.poll()
    assert asked.waiting_for == {100, 101}
    assert (100, "train") not in pushed(grid)[2:]
    grid.online.append(100)
    asked.poll()
    assert (100, "train") in pushed(grid)[2:]


def test_a_node_that_stays_away_after_a_breakdown_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange, "_HICCUP_S", -1e9)
    asked, _ = question(grid := grid_of(101), lambda _: math.inf)
    grid.reply(0, Error(5))
    asked.poll()
    monkeypatch.setattr(exchange, "time", SimpleNamespace(monotonic=lambda: math.inf))
    asked.poll()
    assert "stopped answering" in asked.answers.failures[100]
    assert asked.answers.silent == {100}


def test_what_is_lost_every_time_is_a_failure_that_says_so() -> None:
    grid = grid_of(100, 101)
    asked, _ = question(grid, lambda _: math.inf)
    for _ in range(10):
        if 100 in asked.waiting_for:
            last = max(n for n, (node, kind) in enumerate(pushed(grid)) if (node, kind) == ASKED[0])
            grid.reply(last, Error(3))
            asked.poll()
    assert "was lost 6 times on its way" in asked.answers.failures[100]
    assert pushed(grid).count((100, "train")) == 6


@pytest.mark.parametrize("code", [3, 4])
def test_without_patience_nothing_is_sent_twice(code: int) -> None:
    grid = grid_of(100, 101)
    asked, _ = question(grid, None)
    grid.reply(0, Error(code, "lost"))
    asked.poll()
    assert pushed(grid) == ASKED
    assert asked.answers.failures == {100: "lost"}


@pytest.mark.parametrize(
    ("took_s", "kilobytes", "pinged"),
    [(2.9, 0, False), (3.1, 0, True), (3.5, 100, False), (4.5, 100, True)],
)
def test_a_look_that_took_longer_than_what_it_brought_brings_a_ping(
    monkeypatch: pytest.MonkeyPatch, took_s: float, kilobytes: int, *, pinged: bool
) -> None:
    clock = SimpleNamespace(now=0.0, monotonic=lambda: clock.now)
    monkeypatch.setattr(exchange, "time", clock)
    grid = grid_of(100, 101)
    asked, _ = question(grid, lambda _: math.inf)
    if kilobytes:
        grid.reply(0, RecordDict({"x": ConfigRecord({"blob": bytes(1000 * kilobytes)})}))
    pull = grid.pull_messages

    def take_long(message_ids: set[str]) -> Iterable[Message]:
        clock.now += took_s
        return pull(message_ids)

    monkeypatch.setattr(grid, "pull_messages", take_long)
    asked.poll()
    assert ((101, PING) in pushed(grid)) is pinged


def test_messages_that_took_long_to_hand_over_are_followed_by_pings(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = SimpleNamespace(now=0.0, monotonic=lambda: clock.now)
    monkeypatch.setattr(exchange, "time", clock)
    grid = grid_of(100, 101)
    push = grid.push_messages

    def take_long(messages: list[Message]) -> Iterable[str]:
        clock.now += 9.0 if len(grid.pushed) == 0 else 0.0
        return push(messages)

    monkeypatch.setattr(grid, "push_messages", take_long)
    asked, _ = question(grid, lambda _: math.inf)
    asked.poll()
    asked.poll()
    assert pushed(grid) == [*ASKED, (100, PING), (101, PING)]


def test_messages_are_handed_over_once_more_when_flower_could_not_say_that_it_has_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    grid = grid_of(100, 101)
    push, tried = grid.push_messages, []

    def fail_once(messages: list[Message]) -> Iterable[str]:
        tried.append(messages)
        if len(tried) == 1:
            raise ObjectPushError("object", 1, "session")
        return push(messages)

    monkeypatch.setattr(grid, "push_messages", fail_once)
    asked, messages = question(grid)
    assert tried == [messages, messages]
    assert asked.waiting_for == {100, 101}
