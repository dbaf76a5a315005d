"""The engine as a host: one process that plays runs, one or several at a time."""

import json
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import final

import torch
from rich.console import Console

from local_federation.engine.resources import Resources
from local_federation.engine.status import read_status
from local_federation.host import FAILED, LocalFederationError, Settings, check_data
from local_federation.processes import Child, tail_of
from local_federation.superlink import environment

_ROOT = Path(__file__).parents[1]
_POLL_S = 0.05


@final
class EngineRun:
    """A run of the engine; satisfies ``Playing``.

    Parameters
    ----------
    engine : Child
        Plays it.
    home : Path
        The engine's folder.
    name : str
        The run's name.
    """

    def __init__(self, engine: Child, home: Path, name: str) -> None:
        self._engine = engine
        self._statuses = home / "statuses"
        self._name = name
        self.log = home / "logs" / f"run-{name}.log"

    def ended(self, timeout_s: float) -> str | None:
        """Wait for its end and say how it came; ``None`` if it goes on."""
        until = time.monotonic() + timeout_s
        while (found := read_status(self._statuses, self._name)) is None:
            if not self._engine.running():
                return read_status(self._statuses, self._name) or FAILED
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
    """

    def __init__(
        self,
        home: Path,
        num_clients: int,
        resources: Resources,
        *,
        at_once: int = 1,
        go_on: bool = False,
    ) -> None:
        self._home = home
        self._num_clients = num_clients
        self._resources = resources
        self._runs_at_once = at_once
        self._go_on = go_on
        self._runs: Sequence[Settings] = ()
        self._engine: Child | None = None

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
        asked = self._home / "runs.json"
        asked.write_text(
            json.dumps(
                {
                    "runs": [dict(run) for run in self._runs],
                    "clients": self._num_clients,
                    "resources": asdict(self._resources),
                    "at_once": self._runs_at_once,
                    "go_on": self._go_on,
                    "home": str(self._home),
                },
                indent=1,
            )
        )
        env = {
            **environment(self._home / "flwr"),
            "PYTHONPATH": os.pathsep.join([str(_ROOT), *_python_path()]),
            # Clients share the cores: torch's own threads are what settings ask for.
            "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1"),
            # The engine forks, so it must have no threads; importing pyarrow would start one.
            "JE_ARROW_MALLOC_CONF": "background_thread:false",
        }
        command = [Path(sys.executable).name, "-m", "local_federation.engine", str(asked)]
        self._engine = Child("engine", command, logs / "engine.log", env)
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


def _python_path() -> list[str]:
    return [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
