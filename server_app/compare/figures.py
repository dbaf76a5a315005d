"""A comparison's figures: curves of all rows with bands over seeds, and gain by client."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Final, final

from server_app.compare.standings import Standing
from server_app.compare.words import of_seeds, points
from server_app.progress import format_bytes, format_duration
from server_app.report.charts import NAMED_BARS, line_chart, signed_bars
from server_app.report.frame import (
    DASHED,
    MUTED,
    NUM_SERIES,
    ROUNDS,
    Axis,
    Frame,
    Series,
    series_colour,
)
from server_app.report.legend import Mark, figure
from server_app.report.markup import Html, block, element, join, text

# Besides colours, which not every reader tells apart; in widths of the line.
_DASHES: Final = ((), (1.5, 1.5), (9.0, 3.0), (7.0, 1.5, 1.5, 1.5))
# More bands on each other hide the lines.
MAX_BANDS: Final = 6
# Beyond this ratio of its ends, an axis of bytes is logarithmic.
_MAX_LINEAR_RATIO: Final = 20
_WORST: Final = "Worst client by round"
_STEP: Final = 0.05
_GAIN_SIZE: Final = (320, 180)


@final
@dataclass(frozen=True)
class _Curve:
    """A row's rounds: means over seeds of all that a chart may run over."""

    rounds: Sequence[float]
    exchanged: Sequence[float]
    seconds: Sequence[float]
    means: Sequence[float]
    worst: Sequence[float]
    band: Sequence[tuple[float, float]]


def curves_figures(rows: Sequence[Standing]) -> Html:
    """Draw accuracy against rounds, bytes and seconds, with one axis for all; empty without any."""
    curves = [_curve(row) for row in rows]
    limits = _limits(curves)
    if limits is None:
        return text("")
    banded = sum(bool(curve.band) for curve in curves) <= MAX_BANDS
    looks = _looks(rows)
    legend = [
        Mark(row.arm.label, colour, dashes=dashes)
        for row, (colour, dashes) in zip(rows, looks, strict=True)
    ]

    def draw(
        title: str, over: Axis, lines: Sequence[tuple[Sequence[float], Sequence[float]]], note: str
    ) -> Html:
        is_banded = banded and title != _WORST
        series = [
            Series(
                row.arm.label,
                list(zip(*line, strict=True)),
                colour,
                dashes=dashes,
                marked=False,
                band=curve.band if is_banded else (),
            )
            for row, curve, line, (colour, dashes) in zip(rows, curves, lines, looks, strict=True)
        ]
        name = f"{'worst' if title == _WORST else 'over'}-{over.title.replace(' ', '-')}"
        frame = Frame(
            name,
            f"{title}, every row",
            unit=_written,
            over=over,
            limits=limits,
            cut=limits[0] > 0,
        )
        return figure(title, line_chart(frame, series), legend, note)

    exchanged = _exchanged_axis(curves)
    scale = " Logarithmic scale." if exchanged.logarithmic else ""
    drawn = (
        draw(
            "Accuracy by round",
            ROUNDS,
            [(c.rounds, c.means) for c in curves],
            _band_note(curves, banded=banded),
        ),
        draw(
            _WORST,
            ROUNDS,
            [(c.rounds, c.worst) for c in curves],
            "The lowest client of each round, mean over seeds.",
        ),
        draw(
            "Accuracy by bytes exchanged",
            exchanged,
            [(c.exchanged, c.means) for c in curves],
            f"Up and down of all clients since the first round, mean over seeds.{scale}",
        ),
        draw(
            "Accuracy by time",
            Axis("time", unit=format_duration),
            [(c.seconds, c.means) for c in curves],
            "Wall time of the rounds, mean over seeds; it depends on the machine.",
        ),
    )
    span = (
        f"The accuracy axis spans {_written(limits[0])} to {_written(limits[1])} in all "
        f"charts{'' if limits[0] == 0 else '; it does not begin at zero'}."
    )
    return join(element("p", span, attributes={"class": "muted"}), block("charts", *drawn))


def gains_figures(rows: Sequence[Standing]) -> Html:
    """Draw what each client gains over itself alone, one chart for each row, if any."""
    shown = [(index, row) for index, row in enumerate(rows) if row.gains]
    if not shown:
        return text("")
    gains = [gain * 100 for _, row in shown for gain in row.gains.values()]
    low, high = min(0.0, *gains), max(0.0, *gains)
    room = max(0.05 * (high - low), 0.5)
    # Where nobody gains or loses, both ends would be zero.
    limits = (low - room if low < 0 else 0.0, high + room if high > 0 or low == high else 0.0)
    return block("small-charts", *(_gains_figure(index, row, limits) for index, row in shown))


def _gains_figure(index: int, row: Standing, limits: tuple[float, float]) -> Html:
    ranked = sorted(row.gains.items(), key=lambda item: (item[1], item[0]))
    named = len(ranked) <= NAMED_BARS
    over = Axis("client" if named else "clients, by what they gain")
    frame = Frame(
        f"gain-{index}",
        "Percentage points that each client gains, from the least to the most",
        size=_GAIN_SIZE,
        unit=lambda value: f"{value:+g}" if value else "0",
        over=over,
        limits=limits,
    )
    chart = signed_bars(frame, [(str(client), gain * 100) for client, gain in ranked])
    above, below, level = row.gained()
    note = (
        f"{above} gain, {below} lose" + (f", {level} level" if level else "") + ". "
        f"From {_client(ranked[0])} to {_client(ranked[-1])} points."
    )
    return figure(row.arm.label, chart, (), note)


def _client(ranked: tuple[int, float]) -> str:
    return f"{points(ranked[1])} (client {ranked[0]})"


def _curve(row: Standing) -> _Curve:
    """Return the rounds in which every seed that has any accuracy has one.

    A mean over fewer seeds in some rounds than in others would jump where seeds come and go.
    """
    runs = [{point.round_number: point for point in run.curve} for run in row.measures.values()]
    runs = [run for run in runs if run]
    common = sorted(set.intersection(*(set(run) for run in runs))) if runs else []
    at = [[run[number] for run in runs] for number in common]
    several = len(runs) > 1
    return _Curve(
        rounds=common,
        exchanged=[fmean(p.exchanged for p in seeds) for seeds in at],
        seconds=[fmean(p.seconds for p in seeds) for seeds in at],
        means=[fmean(p.accuracy for p in seeds) for seeds in at],
        worst=[fmean(p.worst for p in seeds) for seeds in at],
        band=[(min(p.accuracy for p in s), max(p.accuracy for p in s)) for s in at if several],
    )


def _limits(curves: Sequence[_Curve]) -> tuple[float, float] | None:
    """Return the ends of the accuracy axis: all bands, outwards to the next twentieth."""
    values = [
        v for c in curves for v in (*c.means, *c.worst, *(end for pair in c.band for end in pair))
    ]
    if not values:
        return None
    low = math.floor(round(min(values) / _STEP, 6))
    high = math.ceil(round(max(values) / _STEP, 6))
    return low * _STEP, max(high, low + 1) * _STEP


def _exchanged_axis(curves: Sequence[_Curve]) -> Axis:
    ends = [curve.exchanged[-1] for curve in curves if curve.exchanged]
    starts = [value for curve in curves for value in curve.exchanged]
    logarithmic = min(starts) > 0 and max(ends) > _MAX_LINEAR_RATIO * min(ends)
    return Axis("bytes exchanged", unit=format_bytes, logarithmic=logarithmic)


def _looks(rows: Sequence[Standing]) -> list[tuple[str, tuple[float, ...]]]:
    """Return colour and dashes of each row; a single row that learns alone stands back."""
    alone = [index for index, row in enumerate(rows) if row.arm.alone]
    looks: list[tuple[str, tuple[float, ...]]] = []
    count = 0
    for index in range(len(rows)):
        if alone == [index]:
            looks.append((MUTED, DASHED))
            continue
        # Shifted after each turn through the colours, so that no two rows look alike.
        dashes = _DASHES[(count + count // NUM_SERIES) % len(_DASHES)]
        looks.append((series_colour(count), dashes))
        count += 1
    return looks


def _band_note(curves: Sequence[_Curve], *, banded: bool) -> str:
    if not any(curve.band for curve in curves):
        return "One seed of each row: no band."
    mean = "Lines are means over seeds"
    if not banded:
        return f"{mean}; with more than {MAX_BANDS} rows, bands are left out."
    told = f"{mean}, bands reach from the lowest seed to the highest."
    single = any(curve.rounds and not curve.band for curve in curves)
    return f"{told} A row of {of_seeds(1)} has no band." if single else told


def _written(value: float) -> str:
    return f"{value:.2f}"
