"""Processes that come from this one, wherever they went: found by parentage, and ended.

Programs of others put what they start into groups and sessions of their own and may leave it
behind. On Linux orphans come back to this process, so that none is missed.
"""

import ctypes
import os
import signal
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

# From Linux's prctl.h.
_PR_SET_CHILD_SUBREAPER = 36
_PROCESSES = Path("/proc")
# Politely asked, Ray and Flower need about a second.
_ASKED_S = 3.0
_POLL_S = 0.05


def keep_orphans() -> None:
    """Let processes whose parent is gone come back to this one, where the system can: Linux."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)


def descendants(ancestor: int) -> dict[int, str]:
    """Return the names of all living processes that come from one, by process id.

    Empty where the system does not show its processes as Linux does.
    """
    return {pid: name for pid, name in _tree(ancestor).items() if name}


def _tree(ancestor: int) -> dict[int, str]:
    """Return the same, and those that ended and were not put away, with empty names."""
    children: dict[int, list[int]] = {}
    names: dict[int, str] = {}
    for place in _PROCESSES.glob("[0-9]*"):
        with suppress(OSError):  # ended meanwhile
            name, state, parent = _read(place / "stat")
            names[int(place.name)] = "" if state == "Z" else name
            children.setdefault(parent, []).append(int(place.name))
    found: dict[int, str] = {}
    waiting = list(children.get(ancestor, []))
    while waiting:
        one = waiting.pop()
        waiting += children.get(one, [])
        found[one] = names[one]
    return found


def end_descendants(within_s: float) -> Mapping[int, str]:
    """End all processes that come from this one, and look until none is left.

    Parameters
    ----------
    within_s : float
        How long this may take.

    Returns
    -------
    Mapping[int, str]
        Names of those that are still there, by process id.
    """
    started = time.monotonic()
    asked: set[int] = set()
    while tree := _tree(os.getpid()):
        left = {pid: name for pid, name in tree.items() if name}
        spent = time.monotonic() - started
        if spent > within_s:
            return left
        for pid in left if spent > _ASKED_S else left.keys() - asked:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL if spent > _ASKED_S else signal.SIGTERM)
        asked |= left.keys()
        time.sleep(_POLL_S)
        _put_away()
    return {}


def _put_away() -> None:
    """Take note of the ends of all children that have ended: only their parent can."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _read(stat: Path) -> tuple[str, str, int]:
    """Return name, state and parent; a name may hold spaces and brackets."""
    before, _, after = stat.read_text(errors="replace").rpartition(")")
    state, parent, *_ = after.split()
    return before.partition("(")[2], state, int(parent)
