"""A comparison on one page that needs nothing but itself, with its tables as files beside it."""

import os
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final, final

from server_app.compare.arms import Arm, read_arms
from server_app.compare.caveats import caveats
from server_app.compare.csv_file import csv_text
from server_app.compare.figures import curves_figures, gains_figures
from server_app.compare.latex import latex
from server_app.compare.markdown import markdown
from server_app.compare.notes import about_accuracy, about_cost, about_gains, facts
from server_app.compare.standings import Standing, default_reach, standings
from server_app.compare.text_table import (
    TextTable,
    accuracy_table,
    baseline_name,
    clients_table,
    cost_table,
    runs_table,
)
from server_app.compare.words import limits, verdicts
from server_app.report.document import document, is_ours, warning
from server_app.report.download import link
from server_app.report.markup import Html, block, bullets, details, element, join, section, table
from strategies.common.errors import RunFolderError
from strategies.common.new_file import whole

PAGE: Final = "compare.html"
FILES: Final = ("rounds.csv", "table.md", "table.tex")


@final
@dataclass(frozen=True)
class _Comparison:
    """What the page and the files beside it show."""

    arms: Sequence[Arm]
    rows: Sequence[Standing]
    reach: float | None
    asked: bool
    caveats: Sequence[str]

    @property
    def title(self) -> str:
        """What the comparison is called."""
        data = dict.fromkeys(str(a.settings["data"]) for a in self.arms if "data" in a.settings)
        return "Comparison" + (f" on {' and '.join(data)}" if data else "")

    @property
    def tables(self) -> tuple[TextTable, TextTable]:
        """Accuracy and cost."""
        return accuracy_table(self.rows), cost_table(self.rows, self.reach)


def write_comparison(run_dirs: Sequence[Path], out: Path, *, reach: float | None = None) -> Path:
    """Write ``compare.html``, ``rounds.csv``, ``table.md`` and ``table.tex`` into a folder.

    The same runs give the same files, byte by byte, in whatever order they are named.

    Parameters
    ----------
    run_dirs : Sequence[Path]
        Folders of the runs, finished or not.
    out : Path
        The folder; made where there is none.
    reach : float | None
        Accuracy to which rounds and bytes are counted, above 0 and at most 1; ``None`` takes
        95% of what the lowest row ends with.

    Returns
    -------
    Path
        The page.

    Raises
    ------
    RunFolderError
        If a run cannot be read, two are the same row and seed, or the folder cannot be written or
        holds files of somebody else.
    """
    if reach is not None and not 0 < reach <= 1:
        raise RunFolderError(f"compare reach: expected an accuracy above 0, at most 1, got {reach}")
    require_ours(out)
    arms = read_arms(run_dirs)
    rows = standings(arms)
    aim = default_reach(rows) if reach is None else reach
    shown = _Comparison(arms, rows, aim, reach is not None, caveats(arms))
    try:
        out.mkdir(parents=True, exist_ok=True)
        _write(out, _files(shown))
    except OSError as error:
        raise _unwritable(out, error) from None
    return out / PAGE


def require_ours(out: Path) -> None:
    """Refuse a folder in which a comparison would replace what somebody else wrote.

    Raises
    ------
    RunFolderError
        If it is a file, or holds files by the names of a comparison's without a page of ours.
    """
    try:
        is_file = out.exists() and not out.is_dir()
    except OSError as error:
        raise _unwritable(out, error) from None
    if is_file:
        raise RunFolderError(f"{out}: expected a folder to write into, got a file; name another")
    if is_ours(out / PAGE):
        return
    if lost := [name for name in (PAGE, *FILES) if os.path.lexists(out / name)]:
        raise RunFolderError(
            f"{out}: expected a folder that is new, empty or of an earlier comparison, got "
            f"one with {', '.join(lost)}, which would be replaced; name another, or move away "
            f"what is there"
        )


def _unwritable(out: Path, error: OSError) -> RunFolderError:
    return RunFolderError(
        f"{out}: expected a folder to write into, got {error.strerror}; name another"
    )


def _write(out: Path, files: Mapping[str, str]) -> None:
    """Write all files, or none where one cannot be written."""
    with ExitStack() as stack:
        for name, content in files.items():
            file = stack.enter_context(whole(out / name))
            file.write_text(content, encoding="utf-8", newline="")
        # They take their places from the last to the first: the page, which says whose they are,
        # is there before the others.


def _files(shown: _Comparison) -> Mapping[str, str]:
    """Return all files, the page last."""
    notes = [*shown.caveats, *verdicts(shown.rows), *limits(shown.rows), *_about(shown)]
    several = any(len(arm.runs) > 1 for arm in shown.arms)
    over = " Means over seeds, ± sample standard deviation." if several else ""
    caption = f"{', '.join(facts(shown.arms))}.{over}"
    return {
        "rounds.csv": csv_text(shown.arms),
        "table.md": markdown(shown.tables, [caption, *notes]),
        "table.tex": latex(shown.tables, caption, notes),
        PAGE: document(shown.title, *_parts(shown)),
    }


def _about(shown: _Comparison) -> list[str]:
    return [*about_accuracy(shown.rows), *about_cost(shown.reach, asked=shown.asked)]


def _parts(shown: _Comparison) -> list[Html]:
    runs = sum(len(arm.runs) for arm in shown.arms)
    counted = f"{runs} runs in {len(shown.arms)} rows" if runs > 1 else "1 run"
    line = element("p", " · ".join([counted, *facts(shown.arms)]), attributes={"class": "facts"})
    parts = [element("header", element("h1", shown.title), line), _verdict(shown)]
    if shown.caveats:
        limits = join(element("p", "What limits this comparison"), bullets(shown.caveats))
        parts.append(element("div", limits, attributes={"class": "warn", "role": "note"}))
    accuracy, cost = shown.tables
    parts.append(section(accuracy.title, _table(accuracy), _muted(about_accuracy(shown.rows))))
    parts.append(
        section(cost.title, _table(cost), _muted(about_cost(shown.reach, asked=shown.asked)))
    )
    parts += _charts(shown) if find_spec("matplotlib") is not None else [_without_charts()]
    parts.append(section("In full", *_in_full(shown)))
    return parts


def _verdict(shown: _Comparison) -> Html:
    told = verdicts(shown.rows) or ["Nothing here is held against clients alone."]
    if sum(len(arm.runs) for arm in shown.arms) == 1:
        told = ["This is one run; give several to compare them.", *told]
    parts = [element("p", "By the mean of the last five rounds, seed by seed"), bullets(told)]
    if general := limits(shown.rows):
        parts.append(_muted(general))
    return block("verdict open", *parts)


def _charts(shown: _Comparison) -> list[Html]:
    parts = []
    if curves := curves_figures(shown.rows):
        parts.append(section("Curves", curves))
    if gains := gains_figures(shown.rows):
        title = f"Gain of each client over {baseline_name(shown.rows)}"
        parts.append(section(title, _muted(about_gains()), gains))
    return parts


def _without_charts() -> Html:
    return warning("Charts need matplotlib: install the server extra of Nectar.")


def _in_full(shown: _Comparison) -> list[Html]:
    parts = [details("Every run", _table(runs_table(shown.rows)))]
    if any(row.gains for row in shown.rows):
        parts.append(details("Every client's gain", _table(clients_table(shown.rows))))
    files = f"Beside this page: {', '.join(FILES)}, the first with every run, round and client. "
    saved = link(FILES[0], "text/csv", csv_text(shown.arms), f"{FILES[0]} from this page")
    return [*parts, element("p", files, saved, attributes={"class": "muted"})]


def _muted(sentences: Sequence[str]) -> Html:
    return element("p", " ".join(sentences), attributes={"class": "muted"})


def _table(shown: TextTable) -> Html:
    rows = [
        [
            element("b", cell) if (row, column) in shown.strong else cell
            for column, cell in enumerate(cells)
        ]
        for row, cells in enumerate(shown.rows)
    ]
    made = table(shown.title, shown.columns, rows)
    return made if shown.columns[0].numeric else block("named", made)
