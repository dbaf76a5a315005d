"""Playing a comparison's runs and showing how far they are."""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from local_federation.compare.estimate import Estimate, in_all
from local_federation.compare.home import ENGINE, StudyHome
from local_federation.compare.study import PlannedRun
from local_federation.engine.resources import Resources
from local_federation.engine.start import StartEngine
from local_federation.engine_host import EngineHost, EngineRun
from local_federation.host import COMPLETED
from local_federation.watch import reason
from server_app.progress import format_duration
from server_app.run_record import read_run_record
from strategies.common.errors import RunFolderError

_POLL_S: Final = 0.3
# Where nobody sees bars, a line tells how far the runs are this often.
_TELL_S: Final = 15.0


@final
@dataclass(frozen=True)
class Failed:
    """A run that did not come to its end.

    Attributes
    ----------
    run : PlannedRun
        Which.
    log : Path
        File that takes what it said.
    reason : str
        The last line of it.
    """

    run: PlannedRun
    log: Path
    reason: str


@final
class StudyPlayer:
    """Plays runs that are left of a comparison.

    Parameters
    ----------
    home : StudyHome
        Its folder, held by the caller.
    num_clients : int
        Clients of each run.
    resources : Resources
        What the clients of one run share.
    at_once : int
        Runs that are played at a time.
    start_engine : StartEngine
        Starts what plays them.
    console : Console
        Where to show progress: bars on a terminal, lines elsewhere.
    drop_models : bool
        Whether clients' models of a run are removed when it has ended.
    """

    def __init__(
        self,
        home: StudyHome,
        num_clients: int,
        resources: Resources,
        at_once: int,
        start_engine: StartEngine,
        console: Console,
        *,
        drop_models: bool = False,
    ) -> None:
        self._home = home
        self._drop_models = drop_models
        self._num_clients = num_clients
        self._at_once = at_once
        self._console = console
        self._host = EngineHost(
            home.folder / ENGINE,
            num_clients,
            resources,
            at_once=at_once,
            go_on=True,
            start_engine=start_engine,
        )

    def play(self, runs: Sequence[PlannedRun]) -> list[Failed]:
        """Play runs to their end and return those that failed.

        Raises
        ------
        LocalFederationError
            If there are too few GPUs.
        """
        settings = [self._home.whole_settings(run, self._num_clients) for run in runs]
        self._host.check(settings)
        for old in (self._home.folder / ENGINE / "statuses").glob("*"):
            old.unlink()
        try:
            self._host.start(self._console)
            waited = {run: self._host.play(one) for run, one in zip(runs, settings, strict=True)}
            return self._follow(waited)
        finally:
            self._host.stop()

    def _follow(self, waited: Mapping[PlannedRun, EngineRun]) -> list[Failed]:
        left, failed = dict(waited), list[Failed]()
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.completed}/{task.total} {task.fields[told]}"),
        )
        told_at = time.monotonic()
        with Progress(*columns, console=self._console, transient=True) as progress:
            whole = progress.add_task("all runs", total=len(waited), told="")
            bars: dict[PlannedRun, TaskID] = {}
            while left:
                time.sleep(_POLL_S)
                for run, playing in list(left.items()):
                    if (status := playing.ended(0.0)) is None:
                        self._show(progress, bars, run)
                        continue
                    del left[run]
                    if run in bars:
                        progress.remove_task(bars.pop(run))
                    if status != COMPLETED:
                        failed.append(Failed(run, playing.log, reason(playing.tail(1))))
                    elif self._drop_models:
                        self._home.drop_models([run])
                    progress.console.print(self._ending(run, status), highlight=False)
                    progress.update(whole, advance=1, told=self._eta(left))
                if not self._console.is_terminal and time.monotonic() > told_at + _TELL_S:
                    told_at = time.monotonic()
                    progress.console.print(self._standing(waited, left), highlight=False)
        return failed

    def _show(self, progress: Progress, bars: dict[PlannedRun, TaskID], run: PlannedRun) -> None:
        now = self._now(run)
        if not now:
            return
        if run not in bars:
            bars[run] = progress.add_task(run.name, total=None, told="")
        done = max(int(now.get("round", 1)) - 1, 0)
        progress.update(
            bars[run], total=int(now.get("rounds", 0)), completed=done, told=_phase(now)
        )

    def _now(self, run: PlannedRun) -> dict[str, int | float | str]:
        """Return what a run tells of itself; nothing before it has begun."""
        try:
            return dict(json.loads((self._home.path(run) / "progress.json").read_text()))
        except (OSError, ValueError):
            return {}

    def _ending(self, run: PlannedRun, status: str) -> str:
        if status != COMPLETED:
            return f"{run.name}: failed"
        try:
            record = read_run_record(self._home.path(run))
        except RunFolderError as error:
            return f"{run.name}: {error}"
        took = sum(line.seconds.get("total", 0.0) for line in record.rounds)
        reached = "no accuracy" if record.last is None else f"accuracy {record.last.accuracy:.3f}"
        return f"{run.name}: {reached} after {len(record.rounds)} rounds, {format_duration(took)}"

    def _standing(
        self, waited: Mapping[PlannedRun, EngineRun], left: Mapping[PlannedRun, EngineRun]
    ) -> str:
        begun = [(run, now) for run in left if (now := self._now(run))]
        under_way = ", ".join(
            f"{run.name} round {now.get('round')}/{now.get('rounds')} ({_phase(now)})"
            for run, now in begun[: self._at_once]
        )
        parts = [f"{len(waited) - len(left)} of {len(waited)} runs", under_way, self._eta(left)]
        return " · ".join(part for part in parts if part)

    def _eta(self, left: Mapping[PlannedRun, EngineRun]) -> str:
        folders = [path for path in self._home.folder.iterdir() if path.is_dir()]
        known = Estimate(folders, self._num_clients)
        done = {run: int(self._now(run).get("round", 1)) - 1 for run in left}
        seconds = in_all([known.of(run, done[run]) for run in left], self._at_once)
        return "" if seconds is None or not left else f"ETA {format_duration(seconds)}"


def _phase(now: Mapping[str, int | float | str]) -> str:
    phase = str(now.get("phase", ""))
    return f"{phase} {now['done']}/{now['total']}" if now.get("total") else phase
