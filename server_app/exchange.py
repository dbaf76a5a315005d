"""Asking nodes: push a list of messages, poll for replies, name every failure."""

import time
from collections.abc import Callable, Iterable
from typing import Protocol, final, runtime_checkable

from flwr.app import Message
from flwr.serverapp import Grid

from server_app.answers import Answers

# Flower's own send_and_receive polls every 3 s, which would dominate short rounds; but every
# look costs the SuperLink, so that whoever has waited long looks less often.
_SHORTEST_PAUSE_S = 0.05
_LONGEST_PAUSE_S = 1.0
_PAUSES_PER_WAIT = 40


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
