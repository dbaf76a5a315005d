"""Small messages behind those that are not answered: whoever answers one has lost the others.

A SuperLink writes down that a message was fetched before the node has it, and so it is with
replies. Where it is killed in between, or a connection breaks, nobody hears of that message again:
the node is idle, and the server half would wait for nothing.

A SuperNode works on one message at a time and takes the oldest first. So a node that answers a ping
has nothing left before it, and what it was asked earlier and has not answered is lost. A slow node
answers the ping after all else: however long that takes, nobody is cut off.
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, final

from flwr.app import Message, RecordDict
from flwr.serverapp import Grid

from server_app.answers import MESSAGE_UNAVAILABLE, NODE_UNAVAILABLE, REPLY_UNAVAILABLE
from server_app.delivery import deliver

PING: Final = "query.ping"

_NOT_SAID_BY_THE_NODE: Final = (MESSAGE_UNAVAILABLE, REPLY_UNAVAILABLE, NODE_UNAVAILABLE)

# A node that is at work answers all its pings one after another when it is done: there must be few.
_GROWTH: Final = 3
# Between pings, the first of which is sent at once, for as long as connections break.
_LEAST_GAP_S: Final = 5.0


@final
@dataclass
class _Silence:
    """A node that was asked something: since when it was sent nothing, and pings so far."""

    since: float
    pings: int = 0


@final
class Pings:
    """The pings behind the messages of one question.

    Parameters
    ----------
    grid : Grid
        Flower's connection to the nodes.
    patience : Callable[[int], float]
        After how many seconds of silence a node is sent the first; each further one is three times
        as long in coming.
    """

    def __init__(self, grid: Grid, patience: Callable[[int], float]) -> None:
        self._grid = grid
        self._patience = patience
        self._silent: dict[int, _Silence] = {}
        self._sent: dict[str, int] = {}

    @property
    def ids(self) -> set[str]:
        """Message ids of the pings whose answer would say something."""
        return set(self._sent)

    def begin(self, node_id: int) -> None:
        """Begin anew with a node that has just been sent a message.

        Pings from before the message stand before it: their answers say nothing of it.
        """
        self.end(node_id)
        self._silent[node_id] = _Silence(time.monotonic())

    def end(self, node_id: int) -> None:
        """Take note that nothing is expected of a node any more."""
        silence = self._silent.pop(node_id, None)
        if silence is not None and silence.pings:
            self._sent = {ping: asked for ping, asked in self._sent.items() if asked != node_id}

    def send(self, *, shaken: bool) -> None:
        """Ping the nodes whose turn it is.

        Parameters
        ----------
        shaken : bool
            Whether a connection has just been away, so that messages may be lost.
        """
        now = time.monotonic()
        due = [node for node, silence in self._silent.items() if self._is_due(node, now, shaken)]
        if not due:
            return
        messages = [Message(RecordDict(), node_id, PING) for node_id in due]
        for node_id, ping in zip(due, deliver(self._grid, messages), strict=True):
            silence = self._silent[node_id]
            silence.since, silence.pings = now, silence.pings + 1
            if ping:
                self._sent[ping] = node_id

    def answered(self, replies: Iterable[Message]) -> set[int]:
        """Return the nodes that have answered a ping themselves.

        Parameters
        ----------
        replies : Iterable[Message]
            What has arrived; the messages' own replies among it are to be taken in before.
        """
        found = set()
        for reply in replies:
            node_id = self._sent.pop(reply.metadata.reply_to_message_id, None)
            if node_id is not None and _said_by_the_node(reply):
                found.add(node_id)
        return found

    def _is_due(self, node_id: int, now: float, shaken: bool) -> bool:
        silence = self._silent[node_id]
        grown: int = _GROWTH**silence.pings
        waits = self._patience(node_id) * grown
        if shaken:
            waits = min(waits, _LEAST_GAP_S * (grown - 1))
        return now - silence.since >= waits


def _said_by_the_node(reply: Message) -> bool:
    return not (reply.has_error() and reply.error.code in _NOT_SAID_BY_THE_NODE)
