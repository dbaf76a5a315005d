"""What an app says in leaving, by how far it had come when it was stopped."""

from types import SimpleNamespace
from typing import Any

import pytest
from flwr.app import Context, Message, RecordDict
from flwr.common.constant import ErrorCode
from flwr.supercore.task_identity import TaskIdentity
from flwr.supernode.runtime import run_clientapp

from warm_worker.unanswered import answer_what_is_left


class Wire:
    """Takes down what an app tells its node."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        # Whoever makes a message says for which task.
        monkeypatch.setattr(TaskIdentity, "_task_id", 1)
        monkeypatch.setattr(TaskIdentity, "_run_id", 1)
        monkeypatch.setattr(TaskIdentity, "_node_id", 7)
        self.told: list[Any] = []
        self.broken = False
        message = Message(RecordDict(), 7, "train")
        message.metadata.__dict__["_message_id"] = "asked"
        self.context = Context(1, 7, {}, RecordDict(), {})
        self.message = message
        found = message, self.context, SimpleNamespace(), SimpleNamespace()
        monkeypatch.setattr(run_clientapp, "pull_task_input", lambda _: found)
        monkeypatch.setattr(run_clientapp, "push_message", self._push)
        monkeypatch.setattr(run_clientapp, "push_task_output", self._tell)
        answer_what_is_left()

    def _push(self, _client: object, message: Message, _context: Context) -> None:
        if self.broken:
            raise OSError("no connection")
        self.told.append(message)

    def _tell(self, **said: object) -> None:
        self.told.append(said["sub_status"])


@pytest.fixture
def wire(monkeypatch: pytest.MonkeyPatch) -> Wire:
    return Wire(monkeypatch)


def leave() -> None:
    run_clientapp.push_task_output(client=None, context=None, sub_status="failed", details="")  # type: ignore[arg-type]


def test_stopped_at_its_message_it_answers_as_one_that_was_killed(wire: Wire) -> None:
    run_clientapp.pull_task_input(None)  # type: ignore[arg-type]
    leave()
    answer, status = wire.told
    assert answer.error.code == ErrorCode.CLIENT_APP_CRASHED
    assert answer.metadata.reply_to_message_id == "asked"
    assert status == "failed"


def test_stopped_before_its_message_it_says_nothing_and_another_is_started(wire: Wire) -> None:
    leave()
    assert wire.told == []


def test_whoever_has_answered_leaves_as_ever(wire: Wire) -> None:
    run_clientapp.pull_task_input(None)  # type: ignore[arg-type]
    run_clientapp.push_message(None, wire.message, wire.context)  # type: ignore[arg-type]
    leave()
    assert wire.told == [wire.message, "failed"]


def test_without_a_connection_it_leaves_all_the_same(wire: Wire) -> None:
    run_clientapp.pull_task_input(None)  # type: ignore[arg-type]
    wire.broken = True
    leave()
    assert wire.told == ["failed"]
