"""``docs/results.md``: numbers over seeds in words, and the blocks that benchmarks fill."""

import statistics
from collections.abc import Sequence
from pathlib import Path

RESULTS = Path(__file__).parent.parent / "docs" / "results.md"


def complete(run_dir: Path, rounds: int) -> bool:
    """Tell whether a run has reached its last round."""
    journal = run_dir / "rounds.jsonl"
    return journal.exists() and journal.read_text().count("\n") >= rounds


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
