"""What all clients of a process find on its disk, looked at once for all of them."""

from collections.abc import Callable
from functools import cache
from typing import TypeVar

_Place = TypeVar("_Place")
_Found = TypeVar("_Found")

_forget: list[Callable[[], None]] = []


def looked_at_once(look: Callable[[_Place], _Found]) -> Callable[[_Place], _Found]:
    """Return a function that looks at each place once per process, until :func:`forget_files`."""
    known = cache(look)
    _forget.append(known.cache_clear)
    return known


def forget_files() -> None:
    """Look at all files anew, for another run in this process."""
    for forget in _forget:
        forget()
