"""Processes that were forked: they end with the one that did so, and write where they are told."""

import ctypes
import io
import os
import signal
import sys
from pathlib import Path

# From Linux's prctl.h.
_PR_SET_PDEATHSIG = 1


def end_with_parent(parent: int) -> None:
    """Let the system kill this process when its parent is gone, where it can: on Linux.

    Parameters
    ----------
    parent : int
        Process id of the parent. The system tells of no parent that was gone before it was asked
        to; then this process ends at once.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)


def write_into(log: Path) -> None:
    """Let whatever this process says go to the end of a file, line by line."""
    handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for number, stream in ((1, sys.stdout), (2, sys.stderr)):
        os.dup2(handle, number)
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(line_buffering=True)
    os.close(handle)
