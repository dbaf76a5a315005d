"""Why a stream was refused, said once per node and kind, and counted after that."""

from collections import Counter
from collections.abc import Container
from enum import Enum
from logging import WARNING
from threading import Lock
from typing import final

from flwr.common.logger import log

from strategies.common.errors import ExchangeError


class Reason(Enum):
    """Kinds of refusals; the values complete "was refused for"."""

    TOKEN = "a missing or unknown token"  # noqa: S105 - a sentence, not a secret
    EXPIRED = "an expired token"
    OTHER_NODE = "another node's token"
    CROWD = "too many streams at once"
    VERSION = "another version of the protocol"
    LANE = "a cohort without clients of its own"
    SETTINGS = "other settings than the server's"
    REPLAYED = "a lane that is in use"
    FORM = "frames that break their schema"
    ORDER = "frames out of order"
    BROKEN = "streams that broke off"
    # Nobody's fault, so these two are not noted.
    REPLACED = "a stream that a newer one has replaced"
    OVER = "a session that is over"


@final
class RefusalError(ExchangeError):
    """A stream or a frame that the server does not take.

    Parameters
    ----------
    reason : Reason
        Which kind.
    text : str
        Where, expected, got and what to do; told to the node.
    """

    def __init__(self, reason: Reason, text: str) -> None:
        super().__init__(text)
        self.reason = reason


@final
class Refusals:
    """The refusals of one session; safe to use from many threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._counts: Counter[tuple[int, Reason]] = Counter()
        self._first: dict[tuple[int, Reason], str] = {}

    def note(self, node: int | None, reason: Reason, text: str) -> None:
        """Count a refusal, and log the first one of its kind and node.

        Parameters
        ----------
        node : int | None
            Who was refused; ``None`` for someone unknown.
        reason : Reason
            Which kind.
        text : str
            What was said; of our own making, never a part of what arrived.
        """
        if reason in (Reason.REPLACED, Reason.OVER):
            return
        key = (-1 if node is None else node, reason)
        with self._lock:
            self._counts[key] += 1
            first = key not in self._first
            if first:
                self._first[key] = text
        if first:
            log(WARNING, "refused %s for %s: %s", _who(key[0]), reason.value, text)

    def turned_away(self, node: int) -> bool:
        """Tell whether a node was refused for what it sent, and not for a stream that broke."""
        with self._lock:
            return any(n == node and reason is not Reason.BROKEN for n, reason in self._counts)

    def notes(self, told: Container[int] = ()) -> tuple[str, ...]:
        """Return one sentence per node and kind, but for nodes that are told of elsewhere."""
        with self._lock:
            found = sorted(self._counts.items(), key=lambda item: (item[0][0], item[0][1].name))
            return tuple(
                f"{_who(node)} was refused {count} times for {reason.value}; at first: "
                f"{self._first[node, reason]}"
                for (node, reason), count in found
                if node not in told
            )


def _who(node: int) -> str:
    return "someone unknown" if node < 0 else f"node {node}"
