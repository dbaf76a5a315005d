"""What an engine is asked to play, and an engine that is started for it."""

import json
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol, final

from local_federation.engine.environment import own_environment
from local_federation.engine.resources import Resources
from local_federation.host import Settings
from local_federation.processes import Child
from local_federation.superlink import environment

_ROOT = Path(__file__).parents[2]


@final
@dataclass(frozen=True)
class Asked:
    """Runs, and what they are played with.

    Attributes
    ----------
    runs : Sequence[Settings]
        Settings that differ from the defaults, for each run.
    clients : int
        Clients of every run.
    resources : Resources
        What they share; each run has as much.
    home : Path
        Takes logs and how runs ended.
    at_once : int
        Runs that are played at a time.
    go_on : bool
        Whether the others are played when one has failed.
    """

    runs: Sequence[Settings]
    clients: int
    resources: Resources
    home: Path
    at_once: int
    go_on: bool

    @property
    def log(self) -> Path:
        """File that takes what the engine says."""
        return self.home / "logs" / "engine.log"

    @property
    def environment(self) -> dict[str, str]:
        """What an engine has in its environment; a process of its own must begin with it."""
        return {**environment(self.home / "flwr"), **own_environment()}

    def to_values(self) -> dict[str, Any]:
        """Return plain values, as JSON can hold them."""
        runs = [dict(run) for run in self.runs]
        return {**asdict(self), "runs": runs, "home": str(self.home)}


class Engine(Protocol):
    """An engine at work."""

    @property
    def log(self) -> Path:
        """File that takes what it says."""
        ...

    def running(self) -> bool:
        """Tell whether it has not ended yet."""
        ...

    def exit_status(self) -> int | None:
        """Return 0 if all runs came to their end, another number if not, ``None`` before."""
        ...

    def stop(self) -> None:
        """End it and all its processes."""
        ...


StartEngine = Callable[[Asked], Engine]


def start_process(asked: Asked) -> Child:
    """Start an engine as a process of its own, which imports what it needs first."""
    file = asked.home / "runs.json"
    file.write_text(json.dumps(asked.to_values(), indent=1))
    env = {**asked.environment, "PYTHONPATH": os.pathsep.join([str(_ROOT), *_python_path()])}
    command = [Path(sys.executable).name, "-m", "local_federation.engine", str(file)]
    command.append(str(os.getpid()))
    return Child("engine", command, asked.log, env)


def _python_path() -> list[str]:
    return [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
