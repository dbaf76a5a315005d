"""Rows that are to be distributions over classes."""

from collections.abc import Callable
from typing import Final

from torch import Tensor

# float16 rounds a row by up to 2^-11 of its sum; nothing honest errs more.
_ROW_SUM_TOLERANCE: Final = 1e-3


def unlike_distributions(rows: Tensor, named: Callable[[int], str]) -> str | None:
    """Return which row is no distribution, and why."""
    if not len(rows):
        return None
    low, high = float(rows.min()), float(rows.max())
    if low < 0 or high > 1:
        return f"rows: expected entries in [0, 1], got {low:g} to {high:g}"
    totals = rows.double().sum(1)
    worst = int((totals - 1).abs().argmax())
    if abs(float(totals[worst]) - 1) > _ROW_SUM_TOLERANCE:
        return f"rows: expected each to sum to 1, got {float(totals[worst]):g} for {named(worst)}"
    return None
