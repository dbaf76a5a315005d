"""Asking nodes: push a list of messages, poll for replies, name every failure."""

import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Protocol, final, runtime_checkable

from flwr.app import Error, Message
from flwr.serverapp import Grid

from strategies.common.foreign_text import cleaned

# Flower's own send_and_receive polls every 3 s, which would dominate short rounds; but every
# look costs the SuperLink, so that whoever has waited long looks less often.
_SHORTEST_PAUSE_S = 0.05
_LONGEST_PAUSE_S = 1.0
_PAUSES_PER_WAIT = 40

# flwr.common.constant.ErrorCode
_NODE_UNAVAILABLE = 5
_PROCESS_DIED = 8
_RAISED = re.compile(r"<class '(?P<kind>[^']+)'>:<['\"](?P<text>.*)['\"]>", re.DOTALL)
# In simulation, Ray's traceback comes first and the client's own words follow this.
_IN_RAY = "Exception ClientAppException occurred. Message:"
_MAX_REASON = 500
_MAX_KIND = 100


@final
@dataclass
class Answers:
    """What came back, by node id.

    Attributes
    ----------
    replies : dict[int, Message]
        Replies that carry a content.
    failures : dict[int, str]
        Reasons of the others.
    silent : set[int]
        Those of the others from which nothing was heard at all.
    """

    replies: dict[int, Message] = field(default_factory=dict)
    failures: dict[int, str] = field(default_factory=dict)
    silent: set[int] = field(default_factory=set)

    def add(self, node_id: int, message: Message) -> None:
        """Take in what came back from a node."""
        if message.has_error():
            self.failures[node_id] = explain(message.error)
            if message.error.code == _NODE_UNAVAILABLE:
                self.silent.add(node_id)
        else:
            self.replies[node_id] = message

    def add_silent(self, node_ids: Iterable[int], reason: str) -> None:
        """Take in that nothing came back from some nodes."""
        for node_id in node_ids:
            self.failures[node_id] = reason
            self.silent.add(node_id)


@runtime_checkable
class KnowsReplies(Protocol):
    """A grid that knows when replies are there, without a look at a SuperLink."""

    def wait_for_replies(self, message_ids: Iterable[str], timeout_s: float) -> None:
        """Return once all replies to some messages are there, or after a while."""
        ...


@final
class Question:
    """Messages on their way and the answers so far.

    A reply is matched by the message it answers, never by its sender: Flower reports a dead
    node's failure in its own name.

    Parameters
    ----------
    grid : Grid
        Flower's connection to the nodes.
    messages : list[Message]
        What to send, one message per node. A list, because Flower's deployed grid iterates
        over it twice.
    """

    def __init__(self, grid: Grid, messages: list[Message]) -> None:
        self._grid = grid
        self.started = time.monotonic()
        self.answers = Answers()
        self._pending: dict[str, int] = {}
        ids: Iterable[str | None] = grid.push_messages(messages) if messages else []
        for message, message_id in zip(messages, ids, strict=True):
            node_id = message.metadata.dst_node_id
            if message_id:
                self._pending[message_id] = node_id
            else:
                self.answers.add_silent([node_id], "the message could not be handed to Flower")

    @property
    def waiting_for(self) -> set[int]:
        """Node ids that have not answered yet."""
        return set(self._pending.values())

    def poll(self) -> None:
        """Take in the replies that have arrived."""
        if not self._pending:
            return
        for message in self._grid.pull_messages(set(self._pending)):
            node_id = self._pending.pop(message.metadata.reply_to_message_id, None)
            if node_id is not None:
                self.answers.add(node_id, message)

    def wait(
        self,
        deadline_s: float,
        on_poll: Callable[[int, int], None],
        hopeless: Callable[[], str | None] = lambda: None,
    ) -> Answers:
        """Poll until all have answered, the deadline has passed or the rest is hopeless.

        Parameters
        ----------
        deadline_s : float
            Longest wait in seconds; nodes that have not answered then count as failed.
        on_poll : Callable[[int, int], None]
            Called after each poll with the numbers of answers so far and of questions.
        hopeless : Callable[[], str | None]
            Asked after each poll; a reason to wait for no further answer.
        """
        total = len(self._pending) + len(self.answers.failures)
        while True:
            self.poll()
            on_poll(total - len(self._pending), total)
            if not self._pending:
                break
            waited = time.monotonic() - self.started
            late = waited > deadline_s
            reason = f"no reply within {deadline_s:g} s" if late else hopeless()
            if reason is not None:
                self.answers.add_silent(self._pending.values(), reason)
                self._pending.clear()
                break
            pause = pause_after(waited)
            if isinstance(self._grid, KnowsReplies):
                self._grid.wait_for_replies(self._pending, pause)
            else:
                time.sleep(pause)
        return self.answers


def pause_after(waited_s: float) -> float:
    """Return the seconds until the next look at replies, by how long they have not been there.

    Examples
    --------
    >>> [pause_after(waited) for waited in (0.0, 2.0, 12.0, 600.0)]
    [0.05, 0.05, 0.3, 1.0]
    """
    return min(_LONGEST_PAUSE_S, max(_SHORTEST_PAUSE_S, waited_s / _PAUSES_PER_WAIT))


def explain(error: Error) -> str:
    """Turn Flower's error into one readable line."""
    if error.code == _NODE_UNAVAILABLE:
        return "the node is gone: it stopped answering Flower's heartbeat"
    if error.code == _PROCESS_DIED:
        return "the app's process on the node died; it may have run out of memory"
    reason = error.reason or ""
    if found := _RAISED.search(reason):
        kind, text = found["kind"], found["text"]
        if _IN_RAY in text:
            kind, text = _client_error(text)
        raised = cleaned(kind.rsplit(".", 1)[-1], _MAX_KIND)
        return f"{raised}: {cleaned(text, _MAX_REASON) or 'no text'}"
    return cleaned(reason, _MAX_REASON) or f"Flower error {error.code}"


def _client_error(text: str) -> tuple[str, str]:
    """Find the kind and the words of a client's error in Ray's traceback."""
    traceback, _, words = text.rpartition(_IN_RAY)
    words = words.strip()
    first = words.split("\n", 1)[0]
    line = rf"^([\w.]+){re.escape(f': {first}') if first else ''}$"
    kinds: list[str] = re.findall(line, traceback, re.MULTILINE)
    return kinds[-1] if kinds else "ClientAppException", words
