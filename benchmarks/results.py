"""``docs/results.md``: numbers over seeds in words, and the blocks that benchmarks fill."""

import statistics
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from local_federation.host import Settings
from server_app.run_settings import FILE
from strategies import methods
from strategies.common import same_run
from strategies.common.errors import RunFolderError
from strategies.common.run_config import default_config

RESULTS = Path(__file__).parent.parent / "docs" / "results.md"


def complete(run_dir: Path, settings: Settings) -> bool:
    """Tell whether a run has reached its last round.

    Parameters
    ----------
    run_dir, settings : Path, Settings
        Where it would be; what it is to be played with, ``rounds`` among it.

    Raises
    ------
    RunFolderError
        If one of other settings has, whose numbers would be taken for this one's.
    """
    journal = run_dir / "rounds.jsonl"
    if not journal.exists() or journal.read_text().count("\n") < int(settings["rounds"]):
        return False
    found = {**default_config(), **tomllib.loads((run_dir / FILE).read_text())["settings"]}
    follows = methods.follows_rounds({**found, **settings})
    if other := same_run.differing(found, dict(settings), settings, follows_rounds=follows):
        told = "; ".join(f"{key} {settings[key]!r}, got {found.get(key)!r}" for key in other)
        raise RunFolderError(
            f"{run_dir}: expected a run with {told}; remove it, or give another folder"
        )
    return True


def over_seeds(values: Sequence[float]) -> str:
    """Return mean and sample standard deviation over seeds, in per cent."""
    deviation = statistics.stdev(values) if len(values) > 1 else 0.0
    return f"{100 * statistics.mean(values):.1f} ± {100 * deviation:.1f}"


def write_block(name: str, text: str) -> None:
    """Put text between a benchmark's two markers.

    Parameters
    ----------
    name : str
        Name in the markers ``<!-- name: begin -->`` and ``<!-- name: end -->``.
    text : str
        Markdown that ends with a line break.

    Raises
    ------
    ValueError
        If the page lacks the markers.
    """
    begin, end = f"<!-- {name}: begin -->\n", f"<!-- {name}: end -->\n"
    page = RESULTS.read_text()
    if begin not in page or end not in page:
        raise ValueError(f"{RESULTS}: expected the markers of {name}, found none")
    before, _, rest = page.partition(begin)
    _, _, after = rest.partition(end)
    RESULTS.write_text(f"{before}{begin}{text}{end}{after}")


def show_tables(
    console: Console,
    tables: Mapping[str, tuple[Sequence[str], Sequence[Sequence[str]]]],
    *,
    write: bool,
) -> None:
    """Print tables, and put each between its markers where that is asked for.

    Parameters
    ----------
    console : Console
        Where to print.
    tables : Mapping[str, tuple[Sequence[str], Sequence[Sequence[str]]]]
        Titles and rows by the name in the markers.
    write : bool
        Whether the page is written.
    """
    for name, (titles, rows) in tables.items():
        table = Table(*titles, title=name)
        for row in rows:
            table.add_row(*row)
        console.print(table)
        if write:
            write_block(name, markdown(titles, rows))


def markdown(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table whose first column is words and whose others are numbers."""
    lines = [titles, [":---", *["---:"] * (len(titles) - 1)], *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
