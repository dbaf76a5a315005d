"""Processes that end with the one that started them, however that ends."""

import ctypes
import signal
import sys

# From Linux's prctl.h.
_PR_SET_PDEATHSIG = 1


def end_with_parent() -> None:
    """Let the system kill this process when its parent is gone, where it can: on Linux."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
