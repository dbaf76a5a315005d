"""What a chart shows and what surrounds it, before anything is drawn."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, final

NUM_SERIES: Final = 8
INK: Final = "var(--text)"
MUTED: Final = "var(--muted)"
LINE: Final = "var(--line)"
GOOD: Final = "var(--good)"
BAD: Final = "var(--bad)"
DASHED: Final = (4.0, 2.5)


@final
@dataclass(frozen=True)
class Series:
    """One line of a chart, or one part of its bars.

    Attributes
    ----------
    title : str
        What it is, shown when pointed at.
    points : Sequence[tuple[float, float]]
        (round, value), by round, or by what else the chart runs over.
    colour : str
        CSS colour.
    width : float
        Width of the line in pixels.
    opacity : float
        From 0 to 1.
    dashes : tuple[float, ...]
        Lengths of the line's strokes and gaps in its widths; empty for an unbroken line.
    marked : bool
        Whether points are marked where they are few.
    band : Sequence[tuple[float, float]]
        From where to where a shade around each point reaches; empty for none.
    """

    title: str
    points: Sequence[tuple[float, float]]
    colour: str
    width: float = 2.0
    opacity: float = 1.0
    dashes: tuple[float, ...] = ()
    marked: bool = True
    band: Sequence[tuple[float, float]] = ()


@final
@dataclass(frozen=True)
class Axis:
    """What a chart runs over.

    Attributes
    ----------
    title : str
        A fixed word.
    whole : bool
        Whether only whole numbers are marked.
    unit : Callable[[float], str] | None
        How a value is written; ``None`` as a plain number.
    logarithmic : bool
        Whether the axis is logarithmic.
    """

    title: str
    whole: bool = False
    unit: Callable[[float], str] | None = None
    logarithmic: bool = False


ROUNDS: Final = Axis("round", whole=True)


@final
@dataclass(frozen=True)
class Frame:
    """What surrounds a chart's data.

    Attributes
    ----------
    name : str
        Unique within the page.
    label : str
        What the chart shows, for those who do not see it.
    size : tuple[int, int]
        Width and height in the SVG's own units.
    unit : Callable[[float], str] | None
        How a value is written on the axis; ``None`` as a plain number.
    logarithmic : bool
        Whether the value axis is logarithmic.
    over : Axis
        What the chart runs over, left to right.
    limits : tuple[float, float] | None
        Ends of the value axis; ``None`` where the data end.
    cut : bool
        Whether the value axis begins above zero, which is marked.
    """

    name: str
    label: str
    size: tuple[int, int] = (380, 230)
    unit: Callable[[float], str] | None = None
    logarithmic: bool = False
    over: Axis = ROUNDS
    limits: tuple[float, float] | None = None
    cut: bool = False


def series_colour(index: int) -> str:
    """Return the page's colour for a series."""
    return f"var(--series-{index % NUM_SERIES + 1})"
