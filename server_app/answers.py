"""What nodes answered: a reply, or a readable reason why there is none."""

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final, final

from flwr.app import Error, Message

from strategies.common.errors import NectarError, WireError
from strategies.common.foreign_text import cleaned, seen

# flwr.common.constant.ErrorCode: what Flower says in a node's stead.
MESSAGE_UNAVAILABLE: Final = 3
REPLY_UNAVAILABLE: Final = 4
NODE_UNAVAILABLE: Final = 5
# The same, said by the node's SuperNode.
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
    gone : set[int]
        Those of them that Flower has not heard of either, who may come back.
    sent_again : dict[int, int]
        How often the message was sent again, where it or its reply was lost.
    seconds : dict[int, float]
        From the last time that it was sent to its reply.
    """

    replies: dict[int, Message] = field(default_factory=dict)
    failures: dict[int, str] = field(default_factory=dict)
    silent: set[int] = field(default_factory=set)
    gone: set[int] = field(default_factory=set)
    sent_again: dict[int, int] = field(default_factory=dict)
    seconds: dict[int, float] = field(default_factory=dict)

    def add(self, node_id: int, message: Message) -> None:
        """Take in what came back from a node."""
        if message.has_error():
            self.failures[node_id] = explain(message.error)
            if message.error.code == NODE_UNAVAILABLE:
                self.silent.add(node_id)
                self.gone.add(node_id)
        else:
            self.replies[node_id] = message

    def add_silent(self, node_ids: Iterable[int], reason: str) -> None:
        """Take in that nothing came back from some nodes."""
        for node_id in node_ids:
            self.failures[node_id] = reason
            self.silent.add(node_id)


def explain(error: Error) -> str:
    """Turn Flower's error into one readable line."""
    if error.code == NODE_UNAVAILABLE:
        return "the node is gone: it stopped answering Flower's heartbeat"
    if error.code == _PROCESS_DIED:
        return "the app's process on the node died or was stopped; it may have run out of memory"
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


@contextmanager
def reading(sender: str) -> Iterator[None]:
    """Make whatever reading a node's answer raises that node's failure.

    Raises
    ------
    WireError
        Naming sender and what was raised.
    NectarError
        As it is: what the server itself has to say.
    """
    try:
        yield
    except NectarError:
        raise
    except Exception as error:  # a hostile message makes libraries raise almost anything
        reason = f"{type(error).__name__}: {error}"
        raise WireError(
            f"{sender}: expected a readable answer, got one with {seen(reason)}"
        ) from None
