"""Live progress of a run, read from its folder while it goes on."""

import json
import os
import re
from pathlib import Path
from typing import final

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn

from local_federation.host import COMPLETED, LocalFederationError, Playing
from server_app.journal import RoundLine, read_round
from server_app.progress import format_duration, round_line
from strategies.common.errors import NectarError

_POLL_S = 0.3
# Lines at the end of a log among which the reason of a failure stands.
_ENOUGH = 200
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_TRACEBACK = "Traceback (most recent call last)"
_RAISED = re.compile(r"(?:(?P<module>[\w.]+)\.)?\w+(?:Error|Exception)(?:: (?P<text>.*))?")


def follow(run: Playing, run_dir: Path, console: Console) -> None:
    """Show a run's progress until it ends.

    Parameters
    ----------
    run : Playing
        On its way.
    run_dir : Path
        The run's folder.
    console : Console
        Where to show it: bars on a terminal, one line per round elsewhere.

    Raises
    ------
    LocalFederationError
        If the run failed; with its reason and where its log is.
    """
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[phase]}"),
    )
    # Where nothing moves, nothing need be drawn again and again.
    moving = console.is_terminal
    with Progress(*columns, console=console, transient=True, auto_refresh=moving) as progress:
        bar = progress.add_task(run_dir.name, total=None, phase="starting")
        journal = GrowingJournal(run_dir / "rounds.jsonl")
        while (status := run.ended(_POLL_S)) is None:
            _update(progress, bar, run_dir, journal)
        _update(progress, bar, run_dir, journal)
        if stopped := _read_progress(run_dir).get("stopped"):
            progress.console.print(stopped, highlight=False, soft_wrap=True)
    if status != COMPLETED:
        told = reason(run.tail(_ENOUGH)) or f"it ended as {status}"
        raise LocalFederationError(f"run {run_dir.name}: {told} (log: {run.log})")


def reason(log: str) -> str:
    r"""Return the one sentence of a log's end that says why a run failed.

    That is the error that was raised last, and where none was, the last line. A log that ends
    within an error names none: it could not be written any more.

    Examples
    --------
    >>> reason("Traceback ...\n  File ...\nKeyError: 'a'\nINFO: the run is saved")
    "KeyError: 'a'"
    """
    lines = [line.strip() for line in _COLOURS.sub("", log).splitlines() if line.strip()]
    raised = [found for line in lines if (found := _RAISED.fullmatch(line))]
    if not raised and any(line.startswith(_TRACEBACK) for line in lines):
        return "its log breaks off within an error; is there space left on the disk?"
    if not raised:
        return lines[-1] if lines else ""
    last = raised[-1]
    ours = last["module"] == NectarError.__module__
    return last["text"] if ours and last["text"] else last[0]


@final
class GrowingJournal:
    """A journal that somebody else appends to, of which each line is read once.

    Parameters
    ----------
    path : Path
        The file, which need not be there yet.

    Attributes
    ----------
    rounds : int
        Complete lines that are there.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read_bytes = 0
        self.rounds = 0

    def new_lines(self) -> list[RoundLine]:
        """Return the lines that are complete by now and were not the last time.

        A journal that has become shorter, since its run goes on from an earlier round, has none.
        """
        try:
            with self._path.open("rb") as file:
                went_back = file.seek(0, os.SEEK_END) < self._read_bytes
                file.seek(0 if went_back else self._read_bytes)
                text = file.read()
        except FileNotFoundError:
            return []
        complete = text[: text.rfind(b"\n") + 1]
        lines = complete.splitlines()
        if went_back:
            self._read_bytes, self.rounds = len(complete), len(lines)
            return []
        self._read_bytes += len(complete)
        self.rounds += len(lines)
        return [read_round(json.loads(line), str(self._path)) for line in lines]


def _update(progress: Progress, bar: TaskID, run_dir: Path, journal: GrowingJournal) -> None:
    now = _read_progress(run_dir)
    rounds, eta = int(now.get("rounds", 0)), now.get("eta_s")
    for line in journal.new_lines():
        text = round_line(line, rounds, None)
        progress.console.print(text, highlight=False, soft_wrap=True)
    if now:
        phase = str(now.get("phase", ""))
        if now.get("total"):
            phase += f" {now.get('done')}/{now.get('total')}"
        if isinstance(eta, float):
            phase += f" · ETA {format_duration(eta)}"
        progress.update(bar, total=rounds, completed=journal.rounds, phase=phase)


def _read_progress(run_dir: Path) -> dict[str, int | float | str]:
    try:
        return dict(json.loads((run_dir / "progress.json").read_text()))
    except (OSError, ValueError):
        return {}
