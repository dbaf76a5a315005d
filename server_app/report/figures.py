"""The report's figures: a run's numbers over its rounds, each with a legend in HTML."""

from collections.abc import Callable, Iterable, Sequence
from statistics import median
from typing import Final

from server_app.comparison import run_title
from server_app.journal import RoundLine
from server_app.progress import format_bytes, format_duration
from server_app.report.charts import line_chart, stacked_bars
from server_app.report.ends import from_zero, of_shares, of_values
from server_app.report.frame import DASHED, INK, MUTED, Frame, Series, series_colour
from server_app.report.legend import Mark, figure
from server_app.report.markup import Html, text
from server_app.run_record import RunRecord

# What a round's time on the server goes into, in the order of a round.
PHASES: Final = {
    "wait": "waiting for clients",
    "configure": "packing what is sent",
    "replies": "clients at work, and the network",
    "decode": "reading replies",
    "aggregate": "aggregating",
    "evaluate": "testing",
    "save": "saving",
}
ON_DEVICE: Final = {
    "load": "reading data and model",
    "train": "training",
    "evaluate": "testing",
    "save": "saving",
    "total": "in all",
}
# Beyond this ratio the smaller of two lines would lie on the axis.
MAX_LINEAR_RATIO: Final = 20
VALIDATION: Final = "weighted mean on validation samples"
MACRO_F1: Final = "macro-F1 over all test samples"
Points = list[tuple[int, float]]
# Before the first round, as the first line of a journal has it.
UNTRAINED: Final = "untrained_"
_OTHER_LOSS: Final = "Every method has a loss of its own, so the other run's is not drawn."
_UP: Final = "up, from the clients"
_DOWN: Final = "down, to the clients"


def accuracy_figure(run: RunRecord, other: RunRecord | None) -> Html:
    """Draw the accuracy of every client, coloured by model, and the weighted means."""
    models = list(dict.fromkeys(client.model for client in run.clients.values()))
    colours = {model: series_colour(index) for index, model in enumerate(models)}
    # The more clients, the fainter each, so that the means stay visible.
    opacity = min(0.6, max(0.2, 8 / max(1, len(run.clients))))
    series = [
        Series(
            f"client {number} ({client.model})",
            _client_points(run, number),
            colours[client.model],
            width=1.2,
            opacity=opacity,
        )
        for number, client in run.clients.items()
    ]
    legend = [Mark(model or "unknown model", colours[model]) for model in models]
    mean = [*_untrained(run), *_points(run, lambda line: line.accuracy)]
    if other is not None:
        reference = _points(other, lambda line: line.accuracy)
        title = f"{run_title(other)}, weighted mean ({other.name})"
        series.append(Series(title, reference, MUTED, width=2.2, dashes=DASHED))
        legend.append(Mark(title, MUTED, dashes=DASHED))
    series.append(Series("weighted mean", mean, INK, width=2.8))
    legend.insert(0, Mark("weighted mean", INK))
    if scored := _points(run, lambda line: line.macro_f1):
        series.append(Series(MACRO_F1, scored, INK, width=1.6, dashes=DASHED))
        legend.insert(1, Mark(MACRO_F1, INK, dashes=DASHED))
    if held_out := _points(run, lambda line: line.validation_accuracy):
        series.append(Series(VALIDATION, held_out, MUTED, width=1.6))
        legend.insert(1, Mark(VALIDATION, MUTED))
    label = "Accuracy by round for every client, and their weighted mean"
    if mean:
        label += f", which goes from {mean[0][1]:.3f} to {mean[-1][1]:.3f}"
    ends = of_shares(values_of(series))
    frame = Frame("accuracy", label, unit=lambda v: f"{v:.3g}", limits=ends.limits, cut=ends.cut)
    told = ["Thin lines are single clients; the table of clients by round has their numbers."]
    told += ["Round 0 is the untrained network."] if _untrained(run) else []
    if picks := run.presentation.classified_by:
        told.append(f"Classified by {picks}.")
    return figure("Accuracy", line_chart(frame, series), legend, " ".join([*told, ends.told]))


def loss_figure(run: RunRecord, other: RunRecord | None) -> Html:
    """Draw the weighted mean of the test loss, beside that of a run of the same method.

    Losses of two methods are two measures, which share no axis.
    """
    series = [Series("weighted mean", _points(run, lambda line: line.loss), INK, width=2.8)]
    legend = [Mark("weighted mean", INK)]
    if other is not None and other.method == run.method:
        title = f"{run_title(other)}, weighted mean ({other.name})"
        reference = _points(other, lambda line: line.loss)
        series.append(Series(title, reference, MUTED, width=2.2, dashes=DASHED))
        legend.append(Mark(title, MUTED, dashes=DASHED))
    ends = of_values(values_of(series))
    label = "Weighted mean of the test loss by round"
    chart = line_chart(Frame("loss", label, limits=ends.limits, cut=ends.cut), series)
    is_left_out = other is not None and other.method != run.method
    told = _OTHER_LOSS if is_left_out else ""
    return figure("Test loss", chart, legend, f"{told} {ends.told}".strip())


def bytes_figures(run: RunRecord) -> list[Html]:
    """Draw what crossed the network in each round, all clients together, from zero.

    Up and down have a chart each where the smaller would lie on the axis of the larger.
    """
    up = Series("up", _points(run, lambda line: line.uplink_bytes or None), series_colour(0))
    down = Series("down", _points(run, lambda line: line.downlink_bytes or None), series_colour(1))
    shown = [(one, words) for one, words in ((up, _UP), (down, _DOWN)) if one.points]
    if not shown:
        return [figure("Bytes per round", text(""), [], "Nothing crossed the network.")]
    largest = [max(values_of([one])) for one, _ in shown]
    if max(largest) <= MAX_LINEAR_RATIO * min(largest):
        return [_bytes_figure("Bytes per round", "bytes", shown)]
    return [
        _bytes_figure(f"Bytes {one.title} per round", f"bytes-{one.title}", [(one, words)])
        for one, words in shown
    ]


def _bytes_figure(title: str, name: str, shown: Sequence[tuple[Series, str]]) -> Html:
    series = [one for one, _ in shown]
    frame = Frame(
        name,
        "Bytes by round, all clients together",
        unit=format_bytes,
        limits=from_zero(values_of(series)).limits,
    )
    legend = [Mark(words, one.colour) for one, words in shown]
    return figure(title, line_chart(frame, series), legend, "All clients together.")


def seconds_figure(run: RunRecord) -> Html:
    """Draw where the time of each round went on the server."""
    names = {name for line in run.rounds for name in line.seconds} - {"total"}
    phases = [p for p in PHASES if p in names] + sorted(names - PHASES.keys())
    series = [
        Series(
            p, [(n, line.seconds.get(p, 0.0)) for n, line in _by_round(run)], series_colour(index)
        )
        for index, p in enumerate(phases)
    ]
    frame = Frame("seconds", "Seconds by round, stacked by phase", unit=format_duration)
    legend = [
        Mark(PHASES.get(phase, phase), series_colour(index), "area")
        for index, phase in enumerate(phases)
    ]
    chart = stacked_bars(frame, series)
    return figure("Time per round", chart, legend, device_seconds(run))


def device_seconds(run: RunRecord) -> str:
    """Say how long the phases took on the devices, as medians over clients and rounds."""
    replies = run.trained()
    names = list(dict.fromkeys(name for node in replies for name in node.seconds))
    typical = {p: median(node.seconds.get(p, 0.0) for node in replies) for p in names}
    told = ", ".join(
        f"{ON_DEVICE.get(p, p)} {format_duration(value)}" for p, value in typical.items()
    )
    return f"On a device, median over clients and rounds: {told}." if told else ""


def _by_round(run: RunRecord) -> Iterable[tuple[int, RoundLine]]:
    return ((line.round_number, line) for line in run.rounds)


def _points(run: RunRecord, value: Callable[[RoundLine], float | None]) -> Points:
    told = ((line.round_number, value(line)) for line in run.rounds)
    return [(number, one) for number, one in told if one is not None]


def _client_points(run: RunRecord, client: int) -> Points:
    told = ((number, line.answered.get(client)) for number, line in _by_round(run))
    return [(n, node.accuracy) for n, node in told if node and node.accuracy is not None]


def values_of(series: Iterable[Series]) -> list[float]:
    """Return all values that lines have."""
    return [value for one in series for _, value in one.points]


def _untrained(run: RunRecord) -> Points:
    """Return the accuracy before the first round, where it was tested then."""
    first = run.rounds[0] if run.rounds else None
    known = first is not None and UNTRAINED + "accuracy" in first.diagnostics
    return [(0, first.diagnostics[UNTRAINED + "accuracy"])] if first and known else []
