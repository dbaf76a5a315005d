"""A grid without nodes: replies come when a test says so, and say what it wants."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, final

from flwr.app import Error, Message, RecordDict
from flwr.serverapp import Grid
from flwr.supercore.run import Run as FlowerRun
from flwr.supercore.task_identity import TaskIdentity

Answer = RecordDict | Error


def silence(_node_id: int) -> Answer | None:
    """Answer nothing."""
    return None


@final
@dataclass
class ScriptedGrid(Grid):
    """Flower's connection, played by a test.

    Attributes
    ----------
    online : list[int]
        Connected nodes.
    answer : Callable[[int], Answer | None]
        What a node replies at once; ``None`` for nothing yet.
    refuse : set[int]
        Nodes for which a message cannot be handed over.
    pushed : list[Message]
        Every message, in order.
    asked_for : list[set[str]]
        The message ids of every pull.
    """

    online: list[int] = field(default_factory=list)
    answer: Callable[[int], Answer | None] = silence
    refuse: set[int] = field(default_factory=set)
    pushed: list[Message] = field(default_factory=list)
    asked_for: list[set[str]] = field(default_factory=list)
    _replies: dict[str, Message] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # Flower stamps every message with who sends it.
        TaskIdentity.run_id, TaskIdentity.node_id, TaskIdentity.task_id = 1, 1, 1

    def reply(self, number: int, answer: Answer, *, message_id: str = "") -> None:
        """Answer the message with a number, or pretend that it answers another one.

        Flower replies in its own name, as node 1, when a node has failed.
        """
        message = Message(answer, reply_to=self.pushed[number])
        message.metadata.__dict__["_src_node_id"] = 1
        self._replies[message_id or f"m{number}"] = message

    def set_run(self, run: FlowerRun) -> None:
        raise AssertionError

    @property
    def run(self) -> FlowerRun:
        raise AssertionError

    def create_message(self, *args: Any, **kwargs: Any) -> Message:
        raise AssertionError

    def get_node_ids(self) -> Iterable[int]:
        return list(self.online)

    def push_messages(self, messages: Iterable[Message]) -> Iterable[str]:
        assert isinstance(messages, list), "Flower's deployed grid iterates over it twice"
        ids = []
        for message in messages:
            number, node_id = len(self.pushed), message.metadata.dst_node_id
            message.metadata.__dict__["_message_id"] = f"m{number}"
            self.pushed.append(message)
            ids.append("" if node_id in self.refuse else f"m{number}")
            answer = self.answer(node_id)
            if answer is not None:
                self.reply(number, answer)
        return ids

    def pull_messages(self, message_ids: Iterable[str]) -> Iterable[Message]:
        wanted = set(message_ids)
        self.asked_for.append(wanted)
        return [self._replies.pop(key) for key in sorted(wanted & set(self._replies))]

    def send_and_receive(
        self, messages: Iterable[Message], *, timeout: float | None = None
    ) -> Iterable[Message]:
        raise AssertionError
