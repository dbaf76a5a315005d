"""Charts of what methods measure, put together and named as each method states."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from server_app.journal import RoundLine
from server_app.report.charts import line_chart
from server_app.report.ends import of_shares, of_values
from server_app.report.figures import UNTRAINED, values_of
from server_app.report.frame import DASHED, MUTED, Frame, Series, series_colour
from server_app.report.glossary import diagnostics_of, losses_of
from server_app.report.legend import Mark, figure
from server_app.report.markup import Html, block, element, text
from server_app.run_record import RunRecord
from strategies.common.presentation import Measured

MAX_CHARTS: Final = 24
SIZE: Final = (300, 180)
Rounds = Mapping[int, Mapping[str, float]]


def diagnostics_figures(run: RunRecord) -> Html:
    """Draw what the server half measured."""
    rounds = {line.round_number: _without_accuracy(line) for line in run.rounds}
    return _charts("diagnostic", _with_untrained(rounds), diagnostics_of(run.presentation))


def scores_figures(run: RunRecord) -> Html:
    """Draw how the clients' several models do, in one chart."""
    rounds = {line.round_number: line.scores for line in run.rounds}
    found = dict.fromkeys(name for scores in rounds.values() for name in scores)
    stated = run.presentation.models
    names = [n for n in stated if n in found] + [n for n in found if n not in stated]
    told = Measured(
        "Accuracy of clients' models",
        {n: f"{n}: {stated[n]}" if n in stated else n for n in names},
        "Good: rising, and a model that others taught above one that learnt alone.",
        share=True,
    )
    return _charts("score", rounds, (told,))


def losses_figures(run: RunRecord) -> Html:
    """Draw what clients measured while they trained."""
    rounds = {line.round_number: line.mean_losses for line in run.rounds}
    return _charts("training", rounds, losses_of(run.presentation))


def _without_accuracy(line: RoundLine) -> Mapping[str, float]:
    # That one stands in the chart of accuracies.
    told = line.diagnostics.items()
    return {name: value for name, value in told if name != f"{UNTRAINED}accuracy"}


def _with_untrained(rounds: Rounds) -> Rounds:
    """Set what was measured before the first round to round 0, under the names of later rounds."""
    first = next(iter(rounds.values()), {})
    before = {n.removeprefix(UNTRAINED): v for n, v in first.items() if n.startswith(UNTRAINED)}
    later = {
        number: {n: v for n, v in told.items() if not n.startswith(UNTRAINED)}
        for number, told in rounds.items()
    }
    return {0: before, **later} if before else later


def _charts(kind: str, rounds: Rounds, stated: Sequence[Measured]) -> Html:
    names = list(dict.fromkeys(name for values in rounds.values() for name in values))
    shown = list(_grouped(names, stated))
    figures = [
        _chart(f"{kind}-{index}", rounds, one) for index, one in enumerate(shown[:MAX_CHARTS])
    ]
    if len(shown) > MAX_CHARTS:
        rest = f"{len(shown) - MAX_CHARTS} more are in the journal."
        figures.append(element("p", rest, attributes={"class": "muted"}))
    return block("small-charts", *figures) if figures else text("")


def _grouped(names: Sequence[str], stated: Sequence[Measured]) -> Iterator[Measured]:
    """Yield what belongs together, then each number of which nothing is stated."""
    for one in stated:
        if curves := {name: words for name, words in one.curves.items() if name in names}:
            yield Measured(one.title, curves, one.good, one.references, one.share)
    known = {name for one in stated for name in one.curves}
    for name in names:
        if name not in known:
            yield Measured(name.replace("_", " "), {name: ""}, "")


def _chart(name: str, rounds: Rounds, shown: Measured) -> Html:
    series, legend = [], []
    for index, (key, words) in enumerate(shown.curves.items()):
        points = [(n, values[key]) for n, values in rounds.items() if key in values]
        is_reference = key in shown.references
        colour = MUTED if is_reference else series_colour(index)
        dashes = DASHED if is_reference else ()
        series.append(Series(words or shown.title, points, colour, dashes=dashes))
        last = f"last {points[-1][1]:.4g}"
        legend.append(Mark(f"{words}, {last}" if words else last, colour, dashes=dashes))
    ends = (of_shares if shown.share else of_values)(values_of(series))
    label = f"{shown.title}, by round"
    frame = Frame(name, label, size=SIZE, limits=ends.limits, cut=ends.cut)
    note = " ".join(part for part in (shown.good, ends.told) if part)
    return figure(shown.title, line_chart(frame, series), legend, note)
