"""Where value axes begin and end, and what is said where that is not plain."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, final

_STEP: Final = 0.1
# An axis from zero would leave more than half of the chart empty.
_CUT: Final = 0.5


@final
@dataclass(frozen=True)
class Ends:
    """Both ends of a value axis.

    Attributes
    ----------
    limits : tuple[float, float] | None
        Them; ``None`` where there is nothing to draw.
    cut : bool
        Whether the axis begins above zero, which the chart marks.
    told : str
        What a reader must know of them; empty for nothing.
    """

    limits: tuple[float, float] | None
    cut: bool = False
    told: str = ""


def from_zero(values: Sequence[float]) -> Ends:
    """Return an axis that begins at zero, as bytes and bars need it.

    Parameters
    ----------
    values : Sequence[float]
        All that is drawn; none is negative.
    """
    highest = max(values, default=0.0)
    return Ends((0.0, 1.08 * highest) if highest > 0 else None)


def of_values(values: Sequence[float]) -> Ends:
    """Return an axis from zero, cut only where the chart would be mostly empty otherwise."""
    if not values:
        return Ends(None)
    low, high = min(values), max(values)
    if low < 0:
        room = 0.08 * (high - low) or abs(low)
        return Ends((low - room, max(high + room, 0.0)))
    if low <= _CUT * high or high - low < 1e-3 * high:
        return from_zero(values)
    room = 0.15 * (high - low)
    return Ends((low - room, high + room), cut=True, told="The axis does not begin at zero.")


def of_shares(values: Sequence[float]) -> Ends:
    """Return an axis of shares: 0 to 1, or a part of that, which is said.

    Parameters
    ----------
    values : Sequence[float]
        Accuracies and the like; an axis never ends within them.
    """
    if not values:
        return Ends((0.0, 1.0))
    low, high = min(values), max(values)
    # Above the highest, so that no line lies along the edge.
    top = max(1.0, high) if high > _CUT else (math.floor(high / _STEP + 1e-6) + 1) * _STEP
    if low > _CUT and top == 1.0:
        begin = math.floor(round(low / _STEP, 6) - _CUT) * _STEP
        return Ends((begin, top), cut=True, told=f"The axis begins at {begin:.1f}, not at 0.")
    return Ends((0.0, top), told="" if top == 1.0 else f"The axis ends at {top:.1f}, not at 1.")
