"""The tables of a comparison as plain text, which HTML, Markdown and LaTeX then dress."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Final, final

from server_app.compare.intervals import Spread
from server_app.compare.measures import RunMeasures, typical
from server_app.compare.standings import Standing, leader
from server_app.compare.words import interval, points
from server_app.comparison import ABSENT
from server_app.progress import format_bytes, format_duration
from server_app.report.markup import Column
from server_app.report.tables import score
from strategies.methods import display_name


@final
@dataclass(frozen=True)
class TextTable:
    """A table whose cells are plain text.

    Attributes
    ----------
    title : str
        What it shows.
    columns : Sequence[Column]
        Headings, left to right.
    rows : Sequence[Sequence[str]]
        Cells; the first of each row names the row.
    strong : frozenset[tuple[int, int]]
        Row and column of cells that stand out.
    """

    title: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[str]]
    strong: frozenset[tuple[int, int]] = frozenset()


_SETTLED: Final = 3


def accuracy_table(rows: Sequence[Standing]) -> TextTable:
    """Return what every row comes to, and how that differs from its clients alone."""
    alone = baseline_name(rows)
    columns = [
        Column("Method", numeric=False),
        Column("Seeds"),
        Column("Last round"),
        Column("Last five rounds"),
        Column("Worst client"),
        Column(f"Points to {alone}"),
        Column("95% interval"),
        Column("Clients better / worse"),
    ]
    cells = [
        [
            row.arm.label,
            str(len(row.arm.runs)),
            _accuracy(row.over_seeds(lambda run: run.last)),
            _accuracy(row.settled),
            _accuracy(row.over_seeds(lambda run: run.worst)),
            *_difference(row),
        ]
        for row in rows
    ]
    first = leader(rows)
    strong = {(list(rows).index(first), _SETTLED)} if first is not None else ()
    return TextTable("Accuracy", columns, cells, frozenset(strong))


def cost_table(rows: Sequence[Standing], reach: float | None) -> TextTable:
    """Return what every row costs, and what it costs to reach an accuracy."""
    columns = [
        Column("Method", numeric=False),
        Column("Up per client and round"),
        Column("Down per client and round"),
        Column("Exchanged in all"),
        Column("Time of the rounds"),
        Column("Time on devices"),
    ]
    processor = any(run.cpu_seconds is not None for row in rows for run in row.measures.values())
    if processor:
        columns.append(Column("CPU time on devices"))
    if reach is not None:
        columns += [
            Column(f"Rounds to {reach:.3f}"),
            Column(f"Exchanged to {reach:.3f}"),
            Column(f"Seeds that reach {reach:.3f}"),
        ]
    return TextTable("Cost", columns, [_cost(row, reach, processor=processor) for row in rows])


def baseline_name(rows: Sequence[Standing]) -> str:
    """Return what to call the clients alone that rows are held against."""
    methods = {row.arm.method for row in rows if row.arm.alone}
    return display_name(methods.pop()) if len(methods) == 1 else "clients alone"


def _accuracy(value: Spread | None) -> str:
    if value is None:
        return ABSENT
    return f"{value.mean:.3f}" + ("" if value.std is None else f" ± {value.std:.3f}")


def _difference(row: Standing) -> tuple[str, str, str]:
    if row.difference is None:
        return ABSENT, ABSENT, ABSENT
    above, below, _ = row.gained()
    return points(row.difference.mean), interval(row.difference), f"{above} / {below}"


def _cost(row: Standing, reach: float | None, *, processor: bool) -> list[str]:
    runs = list(row.measures.values())
    up = typical(tuple(size for run in runs for size in run.uplink_bytes))
    down = typical(tuple(size for run in runs for size in run.downlink_bytes))
    cells = [
        row.arm.label,
        ABSENT if up is None else format_bytes(up),
        ABSENT if down is None else format_bytes(down),
        *_totals(runs),
    ]
    if processor:
        told = [run.cpu_seconds for run in runs]
        known = [seconds for seconds in told if seconds is not None]
        whole = len(known) == len(told)
        cells.append(format_duration(fmean(known)) if whole else ABSENT)
    return cells if reach is None else [*cells, *_reached(row, reach)]


def _totals(runs: Sequence[RunMeasures]) -> tuple[str, str, str]:
    return (
        format_bytes(fmean(run.exchanged for run in runs)),
        format_duration(fmean(run.seconds for run in runs)),
        format_duration(fmean(run.device_seconds for run in runs)),
    )


def _reached(row: Standing, reach: float) -> tuple[str, str, str]:
    found = row.reaching(reach)
    share = f"{len(found)} of {len(row.measures)}"
    if not found:
        return ABSENT, ABSENT, share
    rounds = f"{fmean(point.round_number for point in found):.1f}".removesuffix(".0")
    return rounds, format_bytes(fmean(point.exchanged for point in found)), share


def runs_table(rows: Sequence[Standing]) -> TextTable:
    """Return every run in numbers."""
    columns = [
        Column("Run", numeric=False),
        Column("Row", numeric=False),
        *map(Column, ("Seed", "Rounds", "Last round", "Last five rounds", "Exchanged", "Time")),
    ]
    cells = [
        [
            row.arm.runs[seed].name,
            row.arm.label,
            str(seed),
            str(len(row.arm.runs[seed].rounds)),
            score(run.last),
            score(run.settled),
            format_bytes(run.exchanged),
            format_duration(run.seconds),
        ]
        for row in rows
        for seed, run in row.measures.items()
    ]
    return TextTable("Runs", columns, cells)


def clients_table(rows: Sequence[Standing]) -> TextTable:
    """Return how many points every client gains over itself alone, by row."""
    shown = [row for row in rows if row.gains]
    clients = sorted({client for row in shown for client in row.gains})
    columns = [Column("Client"), *(Column(row.arm.label) for row in shown)]
    cells = [
        [
            str(client),
            *(points(row.gains[client]) if client in row.gains else ABSENT for row in shown),
        ]
        for client in clients
    ]
    return TextTable("Gain by client in points", columns, cells)
