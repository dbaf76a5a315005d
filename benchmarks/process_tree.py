"""CPU time and memory of a process and of all that it started."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import final

_PROC = Path("/proc")
# Position of user and system time after the command's name, in clock ticks (proc_pid_stat(5)).
_USER, _SYSTEM = 11, 12
_KIB = 1024


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
        for pid, _ in self._all():
            self._used[pid] = max(self._used.get(pid, 0.0), _cpu_seconds(pid))
        return sum(self._used.values())

    def resident_bytes(self, generation: int) -> int:
        """Return the resident memory of processes of a generation, with what they share.

        Parameters
        ----------
        generation : int
            1 for children of the first process, 2 for their children, and so on.
        """
        return sum(_resident_bytes(pid) for pid, depth in self._all() if depth == generation)

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Stop all of them, and let them go on at the end."""
        self._signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        for pid, _ in list(self._all()):
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def _all(self) -> Iterator[tuple[int, int]]:
        waiting = [(self._pid, 0)]
        while waiting:
            pid, generation = waiting.pop()
            yield pid, generation
            waiting += [(child, generation + 1) for child in _children(pid)]


def _cpu_seconds(pid: int) -> float:
    try:
        told = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(told[_USER]) + int(told[_SYSTEM])) / os.sysconf("SC_CLK_TCK")


def _resident_bytes(pid: int) -> int:
    try:
        lines = (_PROC / str(pid) / "status").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * _KIB for line in lines if line.startswith("VmRSS:"))


def _children(pid: int) -> list[int]:
    found: list[int] = []
    for task in (_PROC / str(pid) / "task").glob("*/children"):
        try:
            found += map(int, task.read_text().split())
        except OSError:
            continue
    return found
