"""Processes that were forked: they end with the one that did so, and write where they are told."""

import ctypes
import io
import os
import signal
import sys
from pathlib import Path

# From Linux's prctl.h.
_PR_SET_PDEATHSIG = 1


def end_with_parent() -> None:
    """Let the system kill this process when its parent is gone, where it can: on Linux."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def write_into(log: Path) -> None:
    """Let whatever this process says go to the end of a file, line by line."""
    handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for number, stream in ((1, sys.stdout), (2, sys.stderr)):
        os.dup2(handle, number)
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(line_buffering=True)
    os.close(handle)
