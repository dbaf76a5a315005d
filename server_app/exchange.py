"""Asking nodes: push a list of messages, poll for replies, name every failure.

What is lost between a node and the server half is sent again, and the first reply counts: a client
that is asked the same round twice goes on from the same state both times.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from logging import WARNING
from typing import Final, final

from flwr.app import Message
from flwr.common.logger import log
from flwr.serverapp import Grid

from server_app.answers import MESSAGE_UNAVAILABLE, NODE_UNAVAILABLE, REPLY_UNAVAILABLE, Answers
from server_app.delivery import KnowsReplies, deliver, has_network
from server_app.pings import Pings
from strategies.common.transport.envelope import count_bytes

# Flower's own send_and_receive polls every 3 s, which would dominate short rounds; but every
# look costs the SuperLink, so that whoever has waited long looks less often.
_SHORTEST_PAUSE_S = 0.05
_LONGEST_PAUSE_S = 1.0
_PAUSES_PER_WAIT = 40
# A grid that knows when replies are there ends a pause itself; looks then only show how far it is.
_SHOWING_PAUSE_S = 0.5

# A call takes milliseconds and what the messages take that it carries, unless Flower had to try
# more than once. Replies come no slower than devices send them, here over the slowest of links.
_HICCUP_S: Final = 3.0
_BYTES_PER_S: Final = 100_000
# When a SuperLink comes back, nodes look gone to it until their next heartbeat.
_HEARTBEATS_S: Final = 60.0
# Whatever is lost so often is lost for a reason, such as a size that a device cannot fetch.
_MOST_REPEATS: Final = 5


@final
@dataclass(frozen=True)
class _Lost:
    """A message that is to be sent again as soon as its node is there.

    Attributes
    ----------
    until : float
        When to give the node up if it is not.
    told : Message | None
        What Flower said of it, if it said anything.
    """

    until: float
    told: Message | None = None


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
    patience : Callable[[int], float] | None
        After how many seconds of silence to look into what became of a node's message, which is
        sent again if it is lost. ``None`` sends none twice; nor is any on a grid without a
        network, where none is lost and nodes need not answer in order.
    """

    def __init__(
        self,
        grid: Grid,
        messages: list[Message],
        patience: Callable[[int], float] | None = None,
    ) -> None:
        self._grid = grid
        self.started = time.monotonic()
        self.answers = Answers()
        self._messages = {message.metadata.dst_node_id: message for message in messages}
        # Of a node that was asked again there is more than one.
        self._pending: dict[str, int] = {}
        self._sent_at: dict[int, float] = {}
        self._lost: dict[int, _Lost] = {}
        # Whether the connection seems to have been away since nodes were pinged last.
        self._shaken = False
        self._shaken_until = self.started
        self._pings = Pings(grid, patience) if patience and has_network(grid) else None
        self._send(messages)

    @property
    def waiting_for(self) -> set[int]:
        """Node ids that have not answered yet."""
        return {*self._pending.values(), *self._lost}

    def poll(self) -> None:
        """Take in the replies that have arrived, and see to those that never will."""
        if not self.waiting_for:
            return
        found = self._pull()
        for message in found:
            node_id = self._pending.pop(message.metadata.reply_to_message_id, None)
            if node_id is not None:
                self._take_in(node_id, message)
        if self._pings is not None:
            for node_id in self._pings.answered(found):
                self._lose(node_id, _Lost(time.monotonic()))
            self._send_again()
            self._pings.send(shaken=self._shaken)
            self._shaken = False

    def _send(self, messages: list[Message]) -> None:
        began = time.monotonic()
        ids = deliver(self._grid, messages)
        # The SuperLink is near, and what is the same for all is handed over once.
        self._notice(began, lambda: max(map(_bytes_in, messages), default=0))
        for message, message_id in zip(messages, ids, strict=True):
            node_id = message.metadata.dst_node_id
            if not message_id:
                self._end(node_id)
                self.answers.add_silent([node_id], "the message could not be handed to Flower")
                continue
            self._pending[message_id] = node_id
            self._sent_at[node_id] = time.monotonic()
            if self._pings is not None:
                self._pings.begin(node_id)

    def _pull(self) -> list[Message]:
        ids = {*self._pending, *(self._pings.ids if self._pings else ())}
        began = time.monotonic()
        found = list(self._grid.pull_messages(ids)) if ids else []
        self._notice(began, lambda: sum(map(_bytes_in, found)))
        return found

    def _notice(self, began: float, carried: Callable[[], int]) -> None:
        """Notice whether a call took longer than what it carried: the connection was away."""
        now = time.monotonic()
        over = now - began - _HICCUP_S
        if over > 0 and over > carried() / _BYTES_PER_S:
            self._shaken, self._shaken_until = True, now + _HEARTBEATS_S

    def _take_in(self, node_id: int, message: Message) -> None:
        now = time.monotonic()
        code = message.error.code if message.has_error() else None
        if self._pings is not None and code in (MESSAGE_UNAVAILABLE, REPLY_UNAVAILABLE):
            self._lose(node_id, _Lost(now, message))
        elif self._pings is not None and code == NODE_UNAVAILABLE and now < self._shaken_until:
            self._lose(node_id, _Lost(now + _HEARTBEATS_S, message))
        else:
            self.answers.add(node_id, message)
            self.answers.seconds[node_id] = now - self._sent_at[node_id]
            self._end(node_id)

    def _lose(self, node_id: int, lost: _Lost) -> None:
        """Have a message sent again, unless another copy is known to be on its way."""
        if lost.told is not None and node_id in self._pending.values():
            return
        if self.answers.sent_again.get(node_id, 0) < _MOST_REPEATS:
            self._lost[node_id] = lost
            return
        self._end(node_id)
        self.answers.add_silent(
            [node_id],
            f"the message, or the reply to it, was lost {_MOST_REPEATS + 1} times on its way; the "
            f"log of that node's SuperNode may say why",
        )

    def _send_again(self) -> None:
        if not self._lost:
            return
        online = set(self._grid.get_node_ids())
        for node_id, lost in list(self._lost.items()):
            if node_id not in online and time.monotonic() >= lost.until:
                self._end(node_id)
                if lost.told is None:
                    self.answers.add_silent([node_id], "the node is gone")
                else:
                    self.answers.add(node_id, lost.told)
        again = sorted(self._lost.keys() & online)
        for node_id in again:
            del self._lost[node_id]
            self.answers.sent_again[node_id] = self.answers.sent_again.get(node_id, 0) + 1
            log(WARNING, "node %d: what it was sent, or its reply, was lost: sent again", node_id)
        self._send([_copied(self._messages[node_id]) for node_id in again])

    def _end(self, node_id: int) -> None:
        """Expect nothing of a node any more, whatever else of it is on its way."""
        if self._lost.pop(node_id, None) or node_id in self.answers.sent_again:
            self._pending = {key: node for key, node in self._pending.items() if node != node_id}
        if self._pings is not None:
            self._pings.end(node_id)

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
        total = len(self.waiting_for) + len(self.answers.failures)
        while True:
            self.poll()
            on_poll(total - len(self.waiting_for), total)
            if not self.waiting_for:
                break
            waited = time.monotonic() - self.started
            late = waited > deadline_s
            reason = f"no reply within {deadline_s:g} s" if late else hopeless()
            if reason is not None:
                self.answers.add_silent(self.waiting_for, reason)
                self._pending.clear()
                self._lost.clear()
                break
            pause = pause_after(waited)
            if isinstance(self._grid, KnowsReplies):
                self._grid.wait_for_replies(self._pending, max(pause, _SHOWING_PAUSE_S))
            else:
                time.sleep(pause)
        return self.answers


def _bytes_in(message: Message) -> int:
    return sum(count_bytes(message.content).values()) if message.has_content() else 0


def _copied(message: Message) -> Message:
    """Return a message that says the same; Flower delivers the same message once."""
    told = message.metadata
    return Message(message.content, told.dst_node_id, told.message_type, group_id=told.group_id)


def pause_after(waited_s: float) -> float:
    """Return the seconds until the next look at replies, by how long they have not been there.

    Examples
    --------
    >>> [pause_after(waited) for waited in (0.0, 2.0, 12.0, 600.0)]
    [0.05, 0.05, 0.3, 1.0]
    """
    return min(_LONGEST_PAUSE_S, max(_SHORTEST_PAUSE_S, waited_s / _PAUSES_PER_WAIT))
