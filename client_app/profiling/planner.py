"""Whether a client fits into a device's memory, and with which batch it would."""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Final

from strategies.common.errors import SettingsError
from strategies.common.settings import LARGEST

FITS: Final = "fits"
_MEMINFO: Final = Path("/proc/meminfo")
_KIB: Final = 1024
_UNITS: Final = {"": 1, "k": 2**10, "m": 2**20, "g": 2**30}
_AMOUNT: Final = re.compile(r"(\d+(?:\.\d+)?)\s*([kmg]?)(?:i?b)?", re.IGNORECASE)
# Batch normalisation needs two samples.
_SMALLEST: Final = 2


def verdict(
    limit: int, batch: int, peak: int, measure: Callable[[int], int], smallest: int = _SMALLEST
) -> str:
    """Say whether a client fits, with the largest half, quarter, ... of its batch if need be.

    Parameters
    ----------
    limit : int
        Bytes that there are.
    batch : int
        Samples per step.
    peak : int
        Most bytes with this batch.
    measure : Callable[[int], int]
        Returns most bytes with another batch.
    smallest : int
        Fewest samples per step.

    Examples
    --------
    >>> verdict(100, 16, 400, lambda batch: 25 * batch)
    'fits with batch 4'
    """
    if peak <= limit:
        return FITS
    while (batch := batch // 2) >= smallest:
        if measure(batch) <= limit:
            return f"fits with batch {batch}"
    return "does not fit"


def line(found: str, batch: int, peak: int, limit: int) -> str:
    """Return the sentence for people.

    Examples
    --------
    >>> line("fits with batch 4", 16, 2**30, 2**29)
    'fits with batch 4: batch 16 takes 1024 MiB, there are 512 MiB'
    """
    return f"{found}: batch {batch} takes {_mib(peak)}, there are {_mib(limit)}"


def _mib(amount: int) -> str:
    return f"{amount / 2**20:.0f} MiB"


def limit(asked: str) -> int:
    """Return the memory that was asked for, or what this machine has available."""
    return read_amount(asked) if asked else available_bytes()


def read_amount(text: str) -> int:
    """Read an amount of memory: ``512M``, ``1.5G``, or bytes.

    Raises
    ------
    SettingsError
        If it is none.
    """
    found = _AMOUNT.fullmatch(text.strip())
    amount = float(found[1]) * _UNITS[found[2].lower()] if found else 0.0
    if not 1 <= amount <= LARGEST:
        raise SettingsError(f"--memory: expected an amount such as 512M or 2G, got {text!r:.60}")
    return int(amount)


def available_bytes() -> int:
    """Return the memory that this machine could give to a process now."""
    try:
        lines = _MEMINFO.read_text().splitlines()
    except OSError:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    told = (int(line.split()[1]) for line in lines if line.startswith("MemAvailable:"))
    return next(told) * _KIB
