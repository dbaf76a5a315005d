"""The report of a run: one HTML page that needs nothing but itself."""

from importlib.util import find_spec
from pathlib import Path
from typing import Final

from server_app.comparison import compare
from server_app.report import figures, headline, measured, tables
from server_app.report.alone_baseline import alone_baseline
from server_app.report.csv_files import clients_csv, rounds_csv
from server_app.report.document import document, warning, write_whole
from server_app.report.download import link
from server_app.report.examples import examples
from server_app.report.markup import Html, block, bullets, details, element, join, section
from server_app.report.notes import failures, notes
from server_app.report.origin import origin
from server_app.report.partition import partition_picture
from server_app.report.pictures import last_pictures
from server_app.run_record import RunRecord, read_run_record
from strategies.common.errors import RunFolderError

MAX_LISTED: Final = 200
MAX_RAISED: Final = 6
# More rows are opened by whoever wants them.
MAX_OPEN: Final = 40


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
        If a folder cannot be read, or the page not be written.
    """
    run = read_run_record(run_dir)
    other = None if compare_dir is None else read_run_record(compare_dir)
    page = run_dir / "report.html"
    title = f"{headline.title(run)}: {run.name}"
    try:
        write_whole(page, document(title, *_parts(run, other)))
    except OSError as error:
        raise RunFolderError(
            f"{page}: cannot be written ({error.strerror}); free space on its disk, or make its "
            f"folder writable"
        ) from None
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
    told = notes(run)
    holding = [note.told for note in told if note.holds]
    if holding:
        parts.append(_holding(holding[:MAX_RAISED], rest=len(holding) - MAX_RAISED))
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
    clients = _folded(run, tables.clients_table(run, other))
    parts.append(section("Clients", clients, tables.payloads_table(run)))
    if devices := tables.devices_table(run):
        parts.append(section("Devices", _folded(run, devices)))
    parts.append(section("Partition", partition_picture(run)))
    if answered := examples(run):
        parts.append(section("Questions and answers", answered))
    if pictures := last_pictures(run):
        parts.append(section("Pictures", pictures))
    if has_charts:
        parts += _curves(run)
    below = [*holding[MAX_RAISED:], *(note.told for note in told if not note.holds)]
    listed = {"Failures": failures(run), "Notes": below}
    parts += [section(title, _listed(items)) for title, items in listed.items() if items]
    parts.append(_numbers(run, is_open=not has_charts))
    parts.append(section("This run", origin(run)))
    return parts


def _holding(told: list[str], *, rest: int) -> Html:
    """Raise what server and clients said last to where a reader begins."""
    more = [f"{rest} more stand under Notes."] if rest > 0 else []
    words = join(element("p", "What still holds"), bullets([*told, *more]))
    return element("div", words, attributes={"class": "warn", "role": "note"})


def _folded(run: RunRecord, shown: Html) -> Html:
    """Close a table that would push the rest of the page out of sight."""
    count = len(run.clients)
    return details(f"All {count} clients", shown) if count > MAX_OPEN else shown


def _charts(run: RunRecord, other: RunRecord | None) -> Html:
    drawn = (
        figures.accuracy_figure(run, other),
        figures.loss_figure(run, other),
        *figures.bytes_figures(run),
        figures.seconds_figure(run),
    )
    return section("Over the rounds", block("charts", *drawn))


def _curves(run: RunRecord) -> list[Html]:
    parts = []
    if drawn := measured.scores_figures(run):
        told = "Means over the clients, weighted by test samples."
        note = element("p", told, attributes={"class": "muted"})
        parts.append(section("The same questions, answered by several models", note, drawn))
    if drawn := measured.losses_figures(run):
        told = "Means over the clients that trained, weighted by training samples."
        note = element("p", told, attributes={"class": "muted"})
        parts.append(section("What clients measured while they trained", note, drawn))
    if drawn := measured.diagnostics_figures(run):
        parts.append(section("What the server measured", drawn))
    return parts


def _about_failures(run: RunRecord) -> list[str]:
    count = sum(len(line.failures) for line in run.rounds)
    rounds = sum(bool(line.failures) for line in run.rounds)
    if not count:
        return []
    replies = "1 reply was" if count == 1 else f"{count} replies were"
    return [f"{replies} lost to failures, in {rounds} of {len(run.rounds)} rounds; see below."]


def _listed(items: list[str]) -> Html:
    rest = len(items) - MAX_LISTED
    more = [f"{rest} more are in the journal."] if rest > 0 else []
    return bullets([*items[:MAX_LISTED], *more])


def _numbers(run: RunRecord, *, is_open: bool) -> Html:
    parts = [details("Settings and versions", tables.settings_table(run))]
    if run.rounds:
        parts.insert(0, details("Every round", tables.rounds_table(run), is_open=is_open))
        parts.insert(1, details("Every client by round", tables.clients_by_round_table(run)))
        saved = [
            link("rounds.csv", "text/csv", rounds_csv(run), "rounds.csv"),
            link("clients.csv", "text/csv", clients_csv(run), "clients.csv"),
        ]
        words = "To save: every round, and every client of every round, as numbers. "
        parts.append(element("p", words, saved[0], " ", saved[1]))
    return section("In full", join(*parts))
