"""The report of a run: one HTML page that needs nothing but itself."""

from importlib.util import find_spec
from pathlib import Path
from typing import Final

from server_app.comparison import compare
from server_app.progress import describe_failure
from server_app.report import figures, headline, tables
from server_app.report.alone_baseline import alone_baseline
from server_app.report.document import document, warning, write_whole
from server_app.report.examples import examples
from server_app.report.markup import Html, block, bullets, details, element, join, section
from server_app.report.partition import partition_picture
from server_app.report.pictures import last_pictures
from server_app.run_record import RunRecord, read_run_record

MAX_LISTED: Final = 200
MAX_REASON: Final = 1000


def write_report(run_dir: Path, *, compare_dir: Path | None = None) -> Path:
    """Write ``report.html`` into a run's folder.

    The same folders give the same page, byte by byte. Without matplotlib the page has its
    tables, and a line that says what the charts need.

    Parameters
    ----------
    run_dir : Path
        Folder of the run.
    compare_dir : Path | None
        Folder of a finished run to draw beside it.

    Returns
    -------
    Path
        The page.

    Raises
    ------
    RunFolderError
        If a folder cannot be read.
    """
    run = read_run_record(run_dir)
    other = None if compare_dir is None else read_run_record(compare_dir)
    page = run_dir / "report.html"
    title = f"{headline.title(run)}: {run.name}"
    write_whole(page, document(title, *_parts(run, other)))
    return page


def _parts(run: RunRecord, other: RunRecord | None) -> list[Html]:
    comparison = compare(run, other) if other else None
    parts = [headline.header(run), headline.cards(run, comparison)]
    if other is not None:
        parts.append(
            headline.verdict(comparison, run, other)
            if comparison
            else warning(f"There is no accuracy on both sides to compare with {other.name}.")
        )
    parts += [warning(note) for note in (*run.notes, *_about_failures(run))]
    has_charts = find_spec("matplotlib") is not None
    if not run.rounds:
        parts.append(warning("No round is complete."))
    elif has_charts:
        parts.append(_charts(run, other))
    else:
        parts.append(warning("Charts need matplotlib: install the server extra of Nectar."))
    if alone := alone_baseline(run):
        parts.append(section("Together and alone", alone))
    parts.append(section("How these numbers are made", headline.method_of_measurement(run)))
    parts.append(section("Clients", tables.clients_table(run, other), tables.payloads_table(run)))
    if devices := tables.devices_table(run):
        parts.append(section("Devices", devices))
    parts.append(section("Partition", partition_picture(run)))
    if answered := examples(run):
        parts.append(section("Questions and answers", answered))
    if pictures := last_pictures(run):
        parts.append(section("Generated images", pictures))
    if has_charts:
        parts += _curves(run)
    parts += _words(run)
    parts.append(_numbers(run, is_open=not has_charts))
    return parts


def _charts(run: RunRecord, other: RunRecord | None) -> Html:
    drawn = (
        figures.accuracy_figure(run, other),
        figures.loss_figure(run, other),
        figures.bytes_figure(run),
        figures.seconds_figure(run),
    )
    return section("Over the rounds", block("charts", *drawn))


def _curves(run: RunRecord) -> list[Html]:
    parts = []
    if drawn := figures.scores_figures(run):
        told = "Means over the clients, weighted by test samples."
        note = element("p", told, attributes={"class": "muted"})
        parts.append(section("The same questions, answered by several models", note, drawn))
    if drawn := figures.losses_figures(run):
        told = "Means over the clients that trained, weighted by training samples."
        note = element("p", told, attributes={"class": "muted"})
        parts.append(section("Training losses", note, drawn))
    if drawn := figures.diagnostics_figures(run):
        parts.append(section("What the server measured", drawn))
    return parts


def _about_failures(run: RunRecord) -> list[str]:
    count = sum(len(line.failures) for line in run.rounds)
    rounds = sum(bool(line.failures) for line in run.rounds)
    if not count:
        return []
    replies = "1 reply was" if count == 1 else f"{count} replies were"
    return [f"{replies} lost to failures, in {rounds} of {len(run.rounds)} rounds; see below."]


def _words(run: RunRecord) -> list[Html]:
    failures = [
        f"Round {line.round_number}, {describe_failure(client, reason, longest=MAX_REASON)}"
        for line in run.rounds
        for client, reason in line.failures.items()
    ]
    notes = [f"Client {n}: {note}" for n, client in run.clients.items() for note in client.notes]
    for line in run.rounds:
        notes += [f"Round {line.round_number}: {note}" for note in line.notes]
        for client, node in line.answered.items():
            notes += [f"Round {line.round_number}, client {client}: {n}" for n in node.notes]
    told = {"Failures": failures, "Notes": notes}
    return [section(title, _listed(items)) for title, items in told.items() if items]


def _listed(items: list[str]) -> Html:
    rest = len(items) - MAX_LISTED
    more = [f"{rest} more are in the journal."] if rest > 0 else []
    return bullets([*items[:MAX_LISTED], *more])


def _numbers(run: RunRecord, *, is_open: bool) -> Html:
    parts = [details("Settings and versions", tables.settings_table(run))]
    if run.rounds:
        parts.insert(0, details("Every round", tables.rounds_table(run), is_open=is_open))
    return section("In full", join(*parts))
