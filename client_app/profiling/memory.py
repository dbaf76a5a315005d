"""Resident memory of this process, as the operating system counts it."""

import resource
import sys
from pathlib import Path

_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")
# What Linux takes for: set the peak back to what is resident now.
_RESET_PEAK = "5"
_KIB = 1024


def resident_bytes() -> int:
    """Return what is resident now; without ``/proc``, the peak so far."""
    return _status("VmRSS:") or _highest()


def peak_bytes() -> int:
    """Return the peak since :func:`reset_peak`, or since the process began."""
    return _status("VmHWM:") or _highest()


def reset_peak() -> None:
    """Let the peak begin anew, where the system allows it."""
    try:
        _CLEAR.write_text(_RESET_PEAK)
    except OSError:
        return


def _status(key: str) -> int:
    try:
        lines = _STATUS.read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * _KIB for line in lines if line.startswith(key)), 0)


def _highest() -> int:
    highest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # macOS counts bytes, every other system kibibytes.
    return highest if sys.platform == "darwin" else highest * _KIB
