"""How a run is told in a terminal: one line per round, one table at the end.

Texts that came from a device are cut short and lose their control characters here, so
that no device can paint on the server's terminal.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from rich.table import Table
from rich.text import Text

from server_app.comparison import ABSENT, latest_mean, run_titles, typical_bytes
from server_app.journal import RoundLine
from server_app.run_record import RunRecord, read_run_record
from strategies.methods import display_name

MAX_REASON: Final = 160
MAX_NAMED_FAILURES: Final = 3


def format_bytes(number: float) -> str:
    """Write a number of bytes with a decimal unit.

    Examples
    --------
    >>> format_bytes(912), format_bytes(3100), format_bytes(120_000)
    ('912 B', '3.1 kB', '120 kB')
    """
    units = ["B", "kB", "MB", "GB", "TB"]
    while round(number) >= 1000 and len(units) > 1:
        number /= 1000
        units.pop(0)
    digits = f"{number:.0f}" if round(number, 1) >= 100 else f"{number:.1f}".removesuffix(".0")
    return f"{digits} {units[0]}"


def format_samples(own: int, generated: int) -> str:
    """Write of how many samples a client learns.

    Examples
    --------
    >>> format_samples(225, 0), format_samples(225, 466)
    ('225', '225 + 466 generated')
    """
    return f"{own} + {generated} generated" if generated else str(own)


def format_duration(seconds: float) -> str:
    """Write a time span: seconds, then minutes:seconds, then hours:minutes:seconds.

    Examples
    --------
    >>> format_duration(4.71), format_duration(80), format_duration(3723)
    ('4.7 s', '1:20', '1:02:03')
    """
    if seconds == 0:
        return "0 s"
    if round(seconds, 1) < 10:
        return f"{seconds:.1f} s" if seconds >= 0.1 else f"{seconds * 1000:.0f} ms"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def describe_failure(client: int, reason: str, *, longest: int) -> str:
    """Name a client and why it failed, on one line of printable characters.

    Parameters
    ----------
    client : int
        Its number.
    reason : str
        Why; not trusted.
    longest : int
        Characters of the reason that are kept.
    """
    plain = " ".join(printable(reason).split())
    if len(plain) > longest:
        plain = f"{plain[: longest - 1]}…"
    if plain.startswith((f"client {client} ", f"client {client}:")):
        return plain
    return f"client {client} ({plain})"


def round_line(line: RoundLine, rounds: int, eta_s: float | None) -> str:
    """Tell a round in one line.

    Parameters
    ----------
    line : RoundLine
        The round.
    rounds : int
        Last round of the run.
    eta_s : float | None
        Seconds that the rounds to come will take, where known.
    """
    parts = [f"round {line.round_number}/{rounds}"]
    if line.accuracy is None:
        parts.append("no accuracy reported")
    else:
        spread = "" if line.accuracy_std is None else f" ± {line.accuracy_std:.3f}"
        parts.append(f"accuracy {line.accuracy:.3f}{spread}")
    if line.validation_accuracy is not None:
        parts.append(f"validation {line.validation_accuracy:.3f}")
    if line.loss is not None:
        parts.append(f"loss {line.loss:.3g}")
    up, down = format_bytes(line.uplink_bytes), format_bytes(line.downlink_bytes)
    parts.append(f"up {up}, down {down}")
    if "total" in line.seconds:
        parts.append(format_duration(line.seconds["total"]))
    if eta_s is not None:
        parts.append(f"ETA {format_duration(eta_s)}")
    if line.failures:
        parts.append(_failed(line.failures))
    return " · ".join(parts)


def results_table(run_dir: Path, compare_dir: Path | None) -> Table:
    """Show every client's accuracy and traffic, beside those of another run.

    Parameters
    ----------
    run_dir : Path
        Folder of the run.
    compare_dir : Path | None
        Folder of the run to compare with.

    Raises
    ------
    RunFolderError
        If a folder cannot be read.
    """
    run = read_run_record(run_dir)
    other = read_run_record(compare_dir) if compare_dir else None
    titles = run_titles(run, other) if other else (display_name(run.method), "")
    table = Table(title=Text(f"{titles[0]}: {run.name}"), show_footer=True)
    by_server = run.last is not None and any(
        node.tested_by == "server" for node in run.last.answered.values()
    )
    whose = "tested by the server" if by_server else "own model on own test split"
    if picks := run.presentation.classified_by:
        whose += f", by {picks}"
    table.caption = f"samples: train/test; accuracy: last round, {whose}"
    table.add_column("Client", footer="All", justify="right")
    table.add_column("Model", footer="weighted mean")
    table.add_column("Samples", justify="right")
    shown = [(other, titles[1])] if other else []
    shown.append((run, titles[0]))
    for record, title in shown:
        mean = _score(latest_mean(record))
        table.add_column(Text(f"{title} accuracy"), footer=mean, justify="right")
    table.add_column("Up per round", justify="right")
    table.add_column("Down per round", justify="right")
    for number, client in run.clients.items():
        up, down = typical_bytes(run, number) or (None, None)
        table.add_row(
            str(number),
            Text(printable(client.model)),
            f"{format_samples(client.own_samples, client.generated)}/{client.test_samples}",
            *(_latest_score(record, number) for record, _ in shown),
            ABSENT if up is None else format_bytes(up),
            ABSENT if down is None else format_bytes(down),
        )
    return table


def _latest_score(run: RunRecord, client: int) -> str:
    latest = run.latest(client)
    if latest is None:
        return ABSENT
    round_number, node = latest
    late = run.last is not None and round_number == run.last.round_number
    return _score(node.accuracy) + ("" if late else f" (round {round_number})")


def _score(value: float | None) -> str:
    return ABSENT if value is None else f"{value:.3f}"


def _failed(failures: Mapping[int, str]) -> str:
    shown = list(failures.items())[:MAX_NAMED_FAILURES]
    named = [describe_failure(c, reason, longest=MAX_REASON) for c, reason in shown]
    rest = len(failures) - len(named)
    more = f" and {rest} more" if rest else ""
    return f"{len(failures)} failed: {', '.join(named)}{more}"


def printable(text: str) -> str:
    """Return a text with a space in place of everything that moves a cursor or hides."""
    return "".join(c if c.isprintable() else " " for c in text)
