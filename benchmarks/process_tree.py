"""CPU time of a process and of all that it started."""

import os
from pathlib import Path
from typing import final

_PROC = Path("/proc")
# Position of user and system time after the command's name, in clock ticks (proc_pid_stat(5)).
_USER, _SYSTEM = 11, 12


@final
class ProcessTree:
    """A process and its descendants, remembered when they have ended.

    Parameters
    ----------
    pid : int
        The first of them.
    """

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._used: dict[int, float] = {}

    def cpu_seconds(self) -> float:
        """Return user and system seconds of all so far; asked often, it misses little."""
        waiting = [self._pid]
        while waiting:
            pid = waiting.pop()
            self._used[pid] = max(self._used.get(pid, 0.0), _cpu_seconds(pid))
            waiting += _children(pid)
        return sum(self._used.values())


def _cpu_seconds(pid: int) -> float:
    try:
        told = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(told[_USER]) + int(told[_SYSTEM])) / os.sysconf("SC_CLK_TCK")


def _children(pid: int) -> list[int]:
    found: list[int] = []
    for task in (_PROC / str(pid) / "task").glob("*/children"):
        try:
            found += map(int, task.read_text().split())
        except OSError:
            continue
    return found
