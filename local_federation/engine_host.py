"""The engine as a host: one process that plays runs, one or several at a time."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import final

import torch
from rich.console import Console

from local_federation.engine.resources import Resources
from local_federation.engine.start import Asked, Engine, StartEngine, start_process
from local_federation.engine.status import read_status
from local_federation.host import COMPLETED, FAILED, LocalFederationError, Settings, check_data
from local_federation.processes import tail_of

_POLL_S = 0.05


@final
class EngineRun:
    """A run of the engine; satisfies ``Playing``.

    Parameters
    ----------
    engine : Engine
        Plays it.
    home : Path
        The engine's folder.
    name : str
        The run's name.
    """

    def __init__(self, engine: Engine, home: Path, name: str) -> None:
        self._engine = engine
        self._statuses = home / "statuses"
        self._name = name
        self.log = home / "logs" / f"run-{name}.log"

    def ended(self, timeout_s: float) -> str | None:
        """Wait for its end and say how it came; ``None`` if it goes on."""
        until = time.monotonic() + timeout_s
        while (found := read_status(self._statuses, self._name)) is None:
            if not self._engine.running():
                ended = COMPLETED if self._engine.exit_status() == 0 else FAILED
                return read_status(self._statuses, self._name) or ended
            if time.monotonic() > until:
                return None
            time.sleep(_POLL_S)
        return found

    def tail(self, lines: int) -> str:
        """Return the last lines of its log, or of the engine's if it has none."""
        log = self.log if self.log.exists() else self._engine.log
        return tail_of(log, lines)

    def stop(self) -> None:
        """Do nothing: the engine ends with its host."""


@final
class EngineHost:
    """Server and clients as forks of one process; satisfies ``Host``.

    Parameters
    ----------
    home : Path
        Takes logs and what runs leave for each other.
    num_clients : int
        Clients of every run.
    resources : Resources
        What they share; each run has as much.
    at_once : int
        Runs that are played at a time.
    go_on : bool
        Whether the others are played when one has failed.
    start_engine : StartEngine
        Starts the engine.
    """

    def __init__(
        self,
        home: Path,
        num_clients: int,
        resources: Resources,
        *,
        at_once: int = 1,
        go_on: bool = False,
        start_engine: StartEngine = start_process,
    ) -> None:
        self._home = home
        self._num_clients = num_clients
        self._resources = resources
        self._runs_at_once = at_once
        self._go_on = go_on
        self._start_engine = start_engine
        self._runs: Sequence[Settings] = ()
        self._engine: Engine | None = None

    def check(self, runs: Sequence[Settings]) -> None:
        """Take note of the runs, and refuse GPUs that are not there.

        Raises
        ------
        LocalFederationError, SettingsError
            With what to change.
        """
        check_data(runs)
        self._runs = runs
        at_once = self._resources.at_once_of(runs, self._num_clients)
        needed = self._runs_at_once * at_once * self._resources.gpus_per_client
        there = torch.cuda.device_count()
        if needed > there:
            raise LocalFederationError(
                f"--gpus-per-client: expected at most {there} GPUs for all, got {at_once} clients "
                f"at work at once with {self._resources.gpus_per_client:g} each; use fewer "
                f"--workers or a smaller part"
            )

    def start(self, console: Console) -> None:
        """Start the engine, which begins with the first run at once."""
        logs = self._home / "logs"
        logs.mkdir(parents=True, exist_ok=True)
        self._engine = self._start_engine(
            Asked(
                self._runs,
                self._num_clients,
                self._resources,
                self._home,
                self._runs_at_once,
                self._go_on,
            )
        )
        at_once = self._resources.at_once_of(self._runs, self._num_clients)
        several = f"{self._runs_at_once} runs at a time, each with " * (self._runs_at_once > 1)
        console.print(f"engine: {several}{at_once} at work at once, logs in {logs}", soft_wrap=True)

    def play(self, settings: Settings) -> EngineRun:
        """Return a run that the engine has begun, or begins when those before it are over."""
        if self._engine is None:
            raise ValueError("engine: expected to be started before it plays")
        return EngineRun(self._engine, self._home, str(settings["run-name"]))

    def stop(self) -> None:
        """End the engine and all its processes."""
        if self._engine is not None:
            self._engine.stop()
