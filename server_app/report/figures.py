"""The report's figures: a run's numbers over its rounds, each with a legend in HTML."""

from collections.abc import Callable, Iterable, Mapping
from statistics import median
from typing import Final

from server_app.comparison import run_title
from server_app.journal import RoundLine
from server_app.progress import format_bytes, format_duration
from server_app.report.charts import line_chart, stacked_bars
from server_app.report.frame import DASHED, INK, MUTED, Frame, Series, series_colour
from server_app.report.legend import Mark, figure
from server_app.report.markup import Html, block, element, text
from server_app.run_record import RunRecord

PHASES: Final = ("wait", "configure", "replies", "aggregate", "save")
# Beyond this ratio the smaller of two lines would lie on the axis.
MAX_LINEAR_RATIO: Final = 20
MAX_SMALL_CHARTS: Final = 24
VALIDATION: Final = "weighted mean on validation samples"
MACRO_F1: Final = "macro-F1 over all test samples"
SMALL: Final = (320, 160)
Points = list[tuple[int, float]]


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
    mean = _points(run, lambda line: line.accuracy)
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
    note = "Thin lines are single clients; point at one to see its number."
    chart = line_chart(Frame("accuracy", label, unit=lambda v: f"{v:.3g}"), series)
    return figure("Accuracy", chart, legend, note)


def loss_figure(run: RunRecord, other: RunRecord | None) -> Html:
    """Draw the weighted mean of the test loss."""
    series = [Series("weighted mean", _points(run, lambda line: line.loss), INK, width=2.8)]
    legend = [Mark("weighted mean", INK)]
    if other is not None:
        title = f"{run_title(other)}, weighted mean ({other.name})"
        reference = _points(other, lambda line: line.loss)
        series.append(Series(title, reference, MUTED, width=2.2, dashes=DASHED))
        legend.append(Mark(title, MUTED, dashes=DASHED))
    chart = line_chart(Frame("loss", "Weighted mean of the test loss by round"), series)
    note = "Every method has a loss of its own: only curves of one method share a scale."
    return figure("Test loss", chart, legend, note if other is not None else "")


def bytes_figure(run: RunRecord) -> Html:
    """Draw what crossed the network in each round, all clients together."""
    series = [
        Series("up", _points(run, lambda line: line.uplink_bytes or None), series_colour(0)),
        Series("down", _points(run, lambda line: line.downlink_bytes or None), series_colour(1)),
    ]
    values = [value for one in series for _, value in one.points]
    if not values:
        return figure("Bytes per round", text(""), [], "Nothing crossed the network.")
    logarithmic = max(values) > MAX_LINEAR_RATIO * min(values)
    frame = Frame(
        "bytes",
        "Bytes by round, up and down, all clients together",
        unit=format_bytes,
        logarithmic=logarithmic,
    )
    legend = [Mark("up, from the clients", series_colour(0))]
    legend.append(Mark("down, to the clients", series_colour(1)))
    note = "All clients together." + (" Logarithmic scale." if logarithmic else "")
    return figure("Bytes per round", line_chart(frame, series), legend, note)


def seconds_figure(run: RunRecord) -> Html:
    """Draw where the time of each round went on the server."""
    names = {name for line in run.rounds for name in line.seconds} - {"total"}
    phases = [p for p in PHASES if p in names] + sorted(names - set(PHASES))
    series = [
        Series(
            p, [(n, line.seconds.get(p, 0.0)) for n, line in _by_round(run)], series_colour(index)
        )
        for index, p in enumerate(phases)
    ]
    frame = Frame("seconds", "Seconds by round, stacked by phase", unit=format_duration)
    legend = [Mark(phase, series_colour(index), "area") for index, phase in enumerate(phases)]
    chart = stacked_bars(frame, series)
    return figure("Time per round", chart, legend, device_seconds(run))


def device_seconds(run: RunRecord) -> str:
    """Say how long the phases took on the devices, as medians over clients and rounds."""
    replies = run.trained()
    names = list(dict.fromkeys(name for node in replies for name in node.seconds))
    typical = {p: median(node.seconds.get(p, 0.0) for node in replies) for p in names}
    told = ", ".join(f"{p} {format_duration(value)}" for p, value in typical.items())
    return f"On a device, median over clients and rounds: {told}." if told else ""


def diagnostics_figures(run: RunRecord) -> Html:
    """Draw everything the server half measured, one small chart each."""
    return _small_charts("diagnostic", {n: line.diagnostics for n, line in _by_round(run)})


def scores_figures(run: RunRecord) -> Html:
    """Draw how the clients' several models do, one small chart each."""
    return _small_charts("score", {n: line.scores for n, line in _by_round(run)})


def losses_figures(run: RunRecord) -> Html:
    """Draw the clients' training losses, one small chart each."""
    return _small_charts("training", {n: _mean_losses(line) for n, line in _by_round(run)})


def _by_round(run: RunRecord) -> Iterable[tuple[int, RoundLine]]:
    return ((line.round_number, line) for line in run.rounds)


def _mean_losses(line: RoundLine) -> Mapping[str, float]:
    """Return the means over clients, weighted by training samples."""
    nodes = [node for node in line.answered.values() if node.took_part and node.train_samples]
    names = dict.fromkeys(name for node in nodes for name in node.losses)
    means = {}
    for name in names:
        told = [(node.losses[name], node.train_samples) for node in nodes if name in node.losses]
        means[name] = sum(loss * count for loss, count in told) / sum(n for _, n in told)
    return means


def _small_charts(kind: str, rounds: Mapping[int, Mapping[str, float]]) -> Html:
    names = list(dict.fromkeys(name for values in rounds.values() for name in values))
    figures = []
    for index, name in enumerate(names[:MAX_SMALL_CHARTS]):
        points = [(n, values[name]) for n, values in rounds.items() if name in values]
        frame = Frame(f"{kind}-{index}", f"{name} by round", size=SMALL)
        chart = line_chart(frame, [Series(name, points, series_colour(0))])
        last = text(f"last: {points[-1][1]:.4g}")
        figures.append(element("figure", element("h3", name), chart, element("figcaption", last)))
    if len(names) > MAX_SMALL_CHARTS:
        rest = f"{len(names) - MAX_SMALL_CHARTS} more are in the journal."
        figures.append(element("p", rest, attributes={"class": "muted"}))
    return block("small-charts", *figures) if figures else text("")


def _points(run: RunRecord, value: Callable[[RoundLine], float | None]) -> Points:
    told = ((line.round_number, value(line)) for line in run.rounds)
    return [(number, one) for number, one in told if one is not None]


def _client_points(run: RunRecord, client: int) -> Points:
    told = ((number, line.answered.get(client)) for number, line in _by_round(run))
    return [(n, node.accuracy) for n, node in told if node and node.accuracy is not None]
