"""Charts as inline SVG that take their colours and their font from the page.

matplotlib draws with placeholder colours, which become the page's CSS variables, so that
one drawing serves light and dark. All text in a chart is a number or a fixed word; names
that came from a device stand beside it, in HTML.
"""

import io
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final, final

from server_app.report.frame import BAD, GOOD, INK, LINE, MUTED, Axis, Frame, Series
from server_app.report.markup import Html, text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import XAxis, YAxis
    from matplotlib.figure import Figure

# Few enough points to be seen one by one.
MARKED_POINTS: Final = 12
BAND_OPACITY: Final = 0.16
# More bars have no room for a number beneath each.
NAMED_BARS: Final = 20
NARROWEST_BARS: Final = 8
# Width of a character, and room beneath the axes for numbers and a word, in the SVG's units.
CHARACTER: Final = 6.5
BENEATH: Final = 40
# Between ticks; others would need more digits than units are written with.
STEPS: Final = (1, 2, 5, 10)
STYLE: Final[dict[str, Any]] = {
    "axes.edgecolor": LINE,
    "axes.labelcolor": MUTED,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "font.size": 11,
    "grid.color": LINE,
    "grid.linewidth": 0.8,
    "svg.fonttype": "none",
    "text.parse_math": False,
    "xtick.color": MUTED,
    "xtick.major.size": 0,
    "xtick.minor.size": 0,
    "ytick.color": MUTED,
    "ytick.major.size": 0,
    "ytick.minor.size": 0,
}


def line_chart(frame: Frame, series: Sequence[Series]) -> Html:
    """Draw values over rounds as lines.

    Raises
    ------
    ModuleNotFoundError
        If matplotlib is not installed.
    """

    def draw(axes: "Axes", inks: _Inks) -> None:
        for index, one in enumerate(series):
            (drawn,) = axes.plot(
                [x for x, _ in one.points],
                [y for _, y in one.points],
                color=inks.paint(one.colour),
                linewidth=one.width,
                alpha=one.opacity,
                linestyle=(0, one.dashes) if one.dashes else "-",
                marker="o" if _is_marked(one) else "",
                markersize=one.width + 1.5,
            )
            drawn.set_gid(f"series-{index}")
            if one.band:
                axes.fill_between(
                    [x for x, _ in one.points],
                    [low for low, _ in one.band],
                    [high for _, high in one.band],
                    color=inks.paint(one.colour),
                    alpha=BAND_OPACITY,
                    linewidth=0,
                )

    return _render(frame, series, draw)


def _is_marked(one: Series) -> bool:
    # A single point has no line by which it could be seen.
    few = len(one.points) <= MARKED_POINTS
    return len(one.points) == 1 or (few and one.marked and not one.dashes)


def signed_bars(frame: Frame, values: Sequence[tuple[str, float]]) -> Html:
    """Draw values side by side as bars up and down from zero, in the page's good and bad.

    Parameters
    ----------
    frame : Frame
        What surrounds them; its ``over`` has the title alone.
    values : Sequence[tuple[str, float]]
        What stands beneath each bar, a number or a fixed word, and its value. Where bars are
        too many for that, nothing stands beneath them.

    Raises
    ------
    ModuleNotFoundError
        If matplotlib is not installed.
    """

    def draw(axes: "Axes", inks: _Inks) -> None:
        colours = [inks.paint(GOOD if value > 0 else BAD) for _, value in values]
        axes.bar(range(len(values)), [value for _, value in values], 0.8, color=colours)
        axes.axhline(0.0, color=inks.paint(INK), linewidth=1.0)
        axes.spines["bottom"].set_visible(False)
        named = len(values) <= NAMED_BARS
        axes.set_xticks(range(len(values)) if named else [], [n for n, _ in values if named])
        if len(values) < NARROWEST_BARS:
            # A few bars alone would each fill a great part of the width.
            room = (NARROWEST_BARS - len(values)) / 2
            axes.set_xlim(-0.5 - room, len(values) - 0.5 + room)

    return _render(frame, (), draw, ticks=False)


def stacked_bars(frame: Frame, series: Sequence[Series]) -> Html:
    """Draw values over rounds as bars on top of each other.

    Raises
    ------
    ModuleNotFoundError
        If matplotlib is not installed.
    """

    def draw(axes: "Axes", inks: _Inks) -> None:
        heights: dict[float, float] = {}
        for one in series:
            rounds = [x for x, _ in one.points]
            values = [y for _, y in one.points]
            bottoms = [heights.get(x, 0.0) for x in rounds]
            axes.bar(rounds, values, 0.78, bottoms, color=inks.paint(one.colour))
            heights.update((x, heights.get(x, 0.0) + y) for x, y in one.points)
        if len(heights) == 1:
            # One bar alone would fill the whole width.
            centre = next(iter(heights))
            axes.set_xlim(centre - 2, centre + 2)

    return _render(frame, series, draw)


@final
class _Inks:
    """Placeholder colours, one for each CSS colour of a figure."""

    def __init__(self) -> None:
        self._placeholders: dict[str, str] = {}

    def paint(self, colour: str) -> str:
        return self._placeholders.setdefault(colour, f"#0102{len(self._placeholders):02x}")

    def reveal(self, svg: str) -> str:
        for colour, placeholder in self._placeholders.items():
            svg = svg.replace(placeholder, colour)
        return svg


def _render(
    frame: Frame,
    series: Sequence[Series],
    draw: Callable[["Axes", _Inks], None],
    *,
    ticks: bool = True,
) -> Html:
    import matplotlib as mpl  # noqa: PLC0415 - of the server extra; the page works without it
    from matplotlib.figure import Figure  # noqa: PLC0415 - as above

    inks = _Inks()
    style: Any = {k: inks.paint(v) if str(v).startswith("var(") else v for k, v in STYLE.items()}
    style["svg.hashsalt"] = frame.name
    with mpl.rc_context():
        # The user's own matplotlib settings must not change the page.
        mpl.rcdefaults()
        mpl.rcParams.update(style)
        width, height = frame.size
        figure = Figure(figsize=(width / 72, height / 72))
        axes = figure.add_axes((0, 0, 1, 1))
        draw(axes, inks)
        _dress_values(frame, axes)
        _dress_over(frame.over, axes, ticks=ticks)
        _place(frame, axes)
        if frame.cut:
            _mark_cut(axes, inks)
        svg = inks.reveal(_save(figure))
    return _inline(frame, series, svg)


def _dress_values(frame: Frame, axes: "Axes") -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter  # noqa: PLC0415

    if frame.limits is not None:
        axes.set_ylim(*frame.limits)
    if frame.logarithmic:
        axes.set_yscale("log")
        axes.yaxis.set_minor_formatter(NullFormatter())
    else:
        axes.yaxis.set_major_locator(MaxNLocator(nbins=5, steps=STEPS))
    if frame.unit is not None or not frame.logarithmic:
        # matplotlib's own numbers would have a common factor, written apart above the axis.
        unit = frame.unit or _plain
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: unit(value)))
    axes.spines["left"].set_visible(False)


def _plain(value: float) -> str:
    return f"{value:.6g}"


def _dress_over(over: Axis, axes: "Axes", *, ticks: bool) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter  # noqa: PLC0415

    axes.set_xlabel(over.title)
    if not ticks:
        return
    if over.logarithmic:
        axes.set_xscale("log")
        axes.xaxis.set_minor_formatter(NullFormatter())
    else:
        nbins = 8 if over.whole else 5
        axes.xaxis.set_major_locator(
            MaxNLocator(nbins=nbins, steps=STEPS, integer=over.whole, min_n_ticks=1)
        )
    if over.unit is not None:
        unit = over.unit
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: unit(value)))


def _place(frame: Frame, axes: "Axes") -> None:
    """Leave room for the words around the axes; matplotlib's own layout draws all twice."""
    width, height = frame.size
    values, over = (_longest(axis) * CHARACTER for axis in (axes.yaxis, axes.xaxis))
    left, right = max(values + 8, over / 2), max(8.0, over / 2)
    across, up = width - left - right, height - BENEATH - 9
    axes.set_position((left / width, BENEATH / height, across / width, up / height))


def _longest(axis: "XAxis | YAxis") -> int:
    """Return the characters of the longest word beside an axis."""
    low, high = sorted(axis.get_view_interval())
    room = 1e-9 * (high - low)
    marked = [place for place in axis.get_majorticklocs() if low - room <= place <= high + room]
    return max(map(len, axis.get_major_formatter().format_ticks(marked)), default=0)


def _mark_cut(axes: "Axes", inks: _Inks) -> None:
    """Draw two strokes across the foot of the value axis, since zero lies below it."""
    slanted: Any = [(-1.0, -0.5), (1.0, 0.5)]
    for height in (0.0, 0.028):
        axes.plot(
            [0.0],
            [height],
            transform=axes.transAxes,
            marker=slanted,
            markersize=9,
            color=inks.paint(MUTED),
            clip_on=False,
        )


def _save(figure: "Figure") -> str:
    buffer = io.StringIO()
    nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    figure.savefig(buffer, format="svg", transparent=True, metadata=nothing)
    return buffer.getvalue()


def _inline(frame: Frame, series: Sequence[Series], svg: str) -> Html:
    """Make a stand-alone SVG fit for a page that holds several."""
    body = svg[svg.index("<g id=") : svg.rindex("</svg>")]
    body = re.sub(r"<style.*?</style>", "", body, flags=re.DOTALL)
    body = re.sub(r" font-family: [^;\"]*;", "", body)
    body = re.sub(r"\s*\n\s*", " ", body)
    body = body.replace("xlink:href=", "href=")
    body = re.sub(r'( id="|url\(#|href="#)', rf"\g<1>{frame.name}-", body)
    for index, one in enumerate(series):
        opening = f'<g id="{frame.name}-series-{index}">'
        body = body.replace(opening, f"{opening}<title>{text(one.title)}</title>")
    width, height = frame.size
    label = text(frame.label)
    return Html(f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{label}">{body}</svg>')
