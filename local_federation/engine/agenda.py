"""Turns that wait for somebody to take them, and which of them begins next."""

import time
from collections.abc import Hashable, Iterable, Sequence
from threading import Lock
from typing import final

# Plans that are weighed for one choice, in less than a millisecond.
_PLANS = 512


@final
class Agenda:
    """Orders turns so that all of them end soon; any number of threads may ask.

    A turn is expected to take as long as the last one of its kind did. Those that took longest
    begin, and the last few are chosen so that all who are at work end together.

    Parameters
    ----------
    at_once : int
        How many turns are taken at the same time, at least 1.
    """

    def __init__(self, at_once: int) -> None:
        self._at_once = at_once
        self._lock = Lock()
        self._waiting: list[tuple[float, str]] = []
        self._kinds: dict[str, Hashable] = {}
        self._begun: dict[str, float] = {}
        self._took: dict[Hashable, float] = {}

    def add(self, turns: Iterable[tuple[str, Hashable]]) -> None:
        """Let turns wait, each with its kind: what those have in common that take equally long."""
        with self._lock:
            for key, kind in turns:
                self._kinds[key] = kind
                self._waiting.append((self._took.get(kind, 0.0), key))
            self._waiting.sort(key=lambda turn: -turn[0])

    def begin(self) -> str:
        """Return the turn that begins now; there must be one that waits."""
        with self._lock:
            now = time.monotonic()
            taking = (
                begun + self._took.get(self._kinds[key], 0.0) - now
                for key, begun in self._begun.items()
            )
            waiting = [seconds for seconds, _ in self._waiting]
            place = next_turn(waiting, [max(seconds, 0.0) for seconds in taking], self._at_once)
            _, key = self._waiting.pop(place)
            self._begun[key] = now
            return key

    def end(self, key: str) -> None:
        """Take note that a turn has ended."""
        with self._lock:
            self._took[self._kinds.pop(key)] = time.monotonic() - self._begun.pop(key)


def next_turn(waiting: Sequence[float], busy: Sequence[float], at_once: int) -> int:
    """Return the place of the turn that whoever is free now takes, so that all end soon.

    Where more turns wait than can be weighed in all orders it is the longest.

    Parameters
    ----------
    waiting : Sequence[float]
        Seconds that each turn takes, descending; at least one.
    busy : Sequence[float]
        Seconds until each of those is free who are at work, fewer than there are.
    at_once : int
        How many there are, free or at work.

    Examples
    --------
    Another is free in 1 s. Turns of 3, 2 and 2 s end together if it takes the longest of them.

    >>> next_turn([3.0, 2.0, 2.0], [1.0], 2)
    1
    """
    if at_once == 1 or at_once ** len(waiting) > _PLANS:
        return 0
    idle = max(at_once - len(busy), 1)
    # When each is free by a plan, and the first turn in it of the first who is idle.
    plans: list[tuple[tuple[float, ...], int]] = [((*[0.0] * idle, *busy), -1)]
    for place, seconds in enumerate(waiting):
        plans = [
            ((*ends[:who], ends[who] + seconds, *ends[who + 1 :]), place if first_free else first)
            for ends, first in plans
            for who in range(len(ends))
            for first_free in (who == 0 and first < 0,)
        ]
    return max(min(plans, key=lambda plan: max(plan[0]))[1], 0)
