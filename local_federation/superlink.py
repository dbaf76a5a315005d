"""A SuperLink of our own on loopback, and runs on it.

Flower's ``flwr run .`` starts a SuperLink in the background that outlives the command.
This one has its own home folder, its own port and an owner who stops it.
"""

import json
import os
import re
import secrets
import shutil
import subprocess
import sys
import time
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import final

import tomli_w

from local_federation.host import LocalFederationError, Standing
from local_federation.processes import Child, free_port, reachable, stop_all

ROOT = Path(__file__).parent.parent
_CONNECTION = "here"
_START_S = 60.0
# A command that is asked to stop has ended all that it started within 15 s, this included.
_END_S = 8.0
_NO_CACHES = shutil.ignore_patterns("__pycache__")
_RUN_ID = re.compile(r"started run (\d+)")


@final
@dataclass(frozen=True)
class Simulation:
    """Nodes that Ray plays.

    Attributes
    ----------
    nodes : int
        Nodes of the federation.
    workers : int
        Nodes at work at once.
    """

    nodes: int
    workers: int


# How often a SuperExec looks for work: runs begin seldom, messages come at any time.
_PAUSE = "FLWR_SUPEREXEC_TASK_POLL_INTERVAL"
_RUNS_PAUSE_S = 0.5
_MESSAGES_PAUSE_S = 0.2

# Where Ray finds a cluster to join; Ray reads it itself, and this word as none.
_CLUSTER = "RAY_ADDRESS"
_NO_CLUSTER = "local"


def environment(home: Path) -> dict[str, str]:
    """Return the environment of all Flower processes of one federation.

    Parameters
    ----------
    home : Path
        Flower's home folder.
    """
    return {
        **os.environ,
        "FLWR_HOME": str(home),
        # Neither telemetry nor update checks: a federation talks to its own nodes only.
        "FLWR_TELEMETRY_ENABLED": "0",
        "FLWR_DISABLE_UPDATE_CHECK": "1",
        "RAY_USAGE_STATS_ENABLED": "0",
        # Ray joins whatever cluster runs on this machine unless it is told not to.
        _CLUSTER: os.environ.get(_CLUSTER) or _NO_CLUSTER,
        # Dependencies are installed once, not for every run.
        "FLWR_DISABLE_RUNTIME_DEPENDENCY_INSTALLATION": "1",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
        "PYTHONUNBUFFERED": "1",
        "COLUMNS": "200",
    }


@final
class SuperLink:
    """One SuperLink process, for simulation or for nodes of its own.

    Parameters
    ----------
    folder : Path
        Takes Flower's home, logs and the SuperLink's database.
    simulation : bool
        Whether it runs clients itself, on Ray; otherwise SuperNodes connect to it.
    stand_ins : Mapping[str, Sequence[str]]
        Commands that take the place of Flower's programs, by the program's name, on the
        SuperLink and its nodes; each takes the options of what it stands for.
    warm : bool
        Whether apps come from warm workers; otherwise they start as Flower starts them.
    standing : Standing | None
        One that runs already, to be used instead of starting one.
    """

    def __init__(
        self,
        folder: Path,
        *,
        simulation: bool,
        stand_ins: Mapping[str, Sequence[str]] = MappingProxyType({}),
        warm: bool = True,
        standing: Standing | None = None,
    ) -> None:
        self.folder = folder
        self._standing = standing
        self.host = standing.host if standing else "127.0.0.1"
        self.port = standing.port if standing else free_port()
        self.env = environment(folder / "flwr")
        self.secret = folder / "superexec.secret"
        self._simulation = simulation
        self._stand_ins = stand_ins
        self._warm = warm
        self._children: list[Child] = []
        (folder / "flwr").mkdir(parents=True, exist_ok=True)
        (folder / "logs").mkdir(exist_ok=True)
        self._write_home()

    @property
    def address(self) -> str:
        """Host and port."""
        return f"{self.host}:{self.port}"

    @property
    def pids(self) -> list[int]:
        """Ids of its processes, its own first; none of one that ran already."""
        return [child.pid for child in self._children]

    def start(self) -> None:
        """Start it and wait until it listens; one that runs already is only waited for.

        Raises
        ------
        LocalFederationError
            If it ends or does not listen in time; with the end of its log.
        """
        if self._standing is not None:
            self._wait_for_standing()
            return
        command = ["flower-superlink", "--insecure", "--host", "127.0.0.1"]
        command += ["--port", str(self.port), "--database", str(self.folder / "superlink.db")]
        command += ["--disable-runtime-dependency-installation"]
        if self._simulation:
            command += ["--simulation", "--isolation", "subprocess"]
        else:
            command += ["--isolation", "process"]
            command += ["--superexec-auth-secret-file", str(self.secret)]
        superlink = self.child("superlink", command)
        self._children = [superlink]
        deadline = time.monotonic() + _START_S
        while not reachable(self.port):
            if not superlink.running() or time.monotonic() > deadline:
                raise LocalFederationError(
                    f"the SuperLink did not start on {self.address}; its log {superlink.log} "
                    f"ends with:\n{superlink.tail()}"
                )
            time.sleep(0.1)
        if not self._simulation:
            self._children.append(self.superexec("server-superexec", self.port, of_node=False))

    def running(self) -> bool:
        """Tell whether all its processes are alive."""
        return bool(self._children) and all(child.running() for child in self._children)

    def stop(self) -> None:
        """Stop it and all it started."""
        stop_all(reversed(self._children))
        self._children = []

    def kill(self) -> None:
        """Kill it and the running ServerApp at once (SIGKILL), as a power cut would."""
        for child in self._children:
            child.kill()
        self._children = []

    def child(self, name: str, command: list[str], pause_s: float = _RUNS_PAUSE_S) -> Child:
        """Start a Flower program, or its stand-in, in this federation's environment."""
        program = self._stand_ins.get(command[0], command[:1])
        log = self.folder / "logs" / f"{name}.log"
        return Child(name, [*program, *command[1:]], log, {**self.env, _PAUSE: str(pause_s)})

    def superexec(self, name: str, port: int, *, of_node: bool, warm: bool = True) -> Child:
        """Start a SuperExec, which runs the app's processes for a SuperLink or SuperNode.

        Parameters
        ----------
        name : str
            Names its log.
        port : int
            Where what it runs apps for listens.
        of_node : bool
            Whether that is a SuperNode.
        warm : bool
            Whether a warm worker starts apps, if one does here at all.
        """
        command = ["flower-superexec", "--insecure", "--runtime-api-address", f"127.0.0.1:{port}"]
        command += ["--superexec-auth-secret-file", str(self.secret)]
        pause_s = _MESSAGES_PAUSE_S if of_node else _RUNS_PAUSE_S
        if self._warm and warm:
            program = self._stand_ins.get(command[0], command[:1])
            command = ["python", "-m", "warm_worker", *program, *command[1:]]
        return self.child(name, command, pause_s)

    def submit(
        self, settings: Mapping[str, bool | int | float | str], *, simulation: Simulation | None
    ) -> Child:
        """Start a run; the returned process ends when the run ends.

        Parameters
        ----------
        settings : Mapping[str, bool | int | float | str]
            Settings that differ from the defaults.
        simulation : Simulation | None
            How many nodes to simulate; ``None`` when SuperNodes are connected.
        """
        overrides = self.folder / f"{settings['run-name']}.toml"
        overrides.write_text(tomli_w.dumps(nested(settings)))
        command = ["flwr", "run", str(self._stage()), _CONNECTION, "--stream"]
        command += ["--run-config", str(overrides)]
        if simulation is not None:
            sizes = [f"num-supernodes={simulation.nodes}", "client-resources-num-cpus=1"]
            # A cluster that is there has as many as it has, and Ray refuses to be told.
            if os.environ.get(_CLUSTER, _NO_CLUSTER) in ("", _NO_CLUSTER):
                sizes.append(f"init-args-num-cpus={simulation.workers}")
            command += ["--federation-config", " ".join(sizes)]
        return self.child(f"run-{settings['run-name']}", command)

    def run_id(self, run: Child) -> str | None:
        """Return Flower's number of a run, or ``None`` if it did not start."""
        found: list[str] = _RUN_ID.findall(run.log.read_text(errors="replace"))
        return found[-1] if found else None

    def status(self, run: Child) -> str:
        """Return Flower's word for a run that has ended, e.g. ``finished:completed``.

        ``flwr run`` itself exits with 0 even when the run failed.
        """
        run_id = self.run_id(run)
        if run_id is None:
            return "not started"
        answer = subprocess.run(  # noqa: S603 - our own command line
            [
                str(Path(sys.executable).parent / "flwr"),
                *("list", _CONNECTION, "--run-id", run_id, "--format", "json"),
            ],
            env=self.env,
            capture_output=True,
            text=True,
            check=False,
        )
        try:
            return str(json.loads(answer.stdout)["runs"][0]["status"])
        except (ValueError, KeyError, IndexError):
            return f"unknown: {answer.stdout.strip()} {answer.stderr.strip()}"

    def follow_log(self, run: Child) -> Child:
        """Go on with the log of a run; the returned process ends when the run ends."""
        command = ["flwr", "log", str(self.run_id(run)), _CONNECTION, "--stream"]
        return self.child(f"{run.name}-log", command)

    def end(self, run: Child) -> None:
        """End a run that may go on without whoever started it."""
        run_id = self.run_id(run)
        if run_id is not None:
            command = ["flwr", "stop", run_id, _CONNECTION]
            self.child(f"{run.name}-stop", command).wait(_END_S)

    def _wait_for_standing(self) -> None:
        deadline = time.monotonic() + _START_S
        while not reachable(self.port, self.host):
            if time.monotonic() > deadline:
                raise LocalFederationError(
                    f"{self.address}: expected a SuperLink, but nothing listens there; start the "
                    f"federation first, and run this where that address can be reached"
                )
            time.sleep(1.0)

    def _stage(self) -> Path:
        """Copy what the app bundle takes, once.

        Flower walks the whole folder that it bundles, here with an environment of several
        gigabytes in it; and runs of one campaign should not differ by an edit in between.
        """
        app = self.folder / "app"
        if not app.exists():
            app.mkdir()
            shutil.copy(ROOT / "pyproject.toml", app)
            for name in _bundled_names():
                if (ROOT / name).is_dir():
                    shutil.copytree(ROOT / name, app / name, ignore=_NO_CACHES)
                else:
                    shutil.copy(ROOT / name, app)
        return app

    def _write_home(self) -> None:
        connection: dict[str, bool | str] = {"address": self.address}
        if self._standing and self._standing.root_certificates:
            connection["root-certificates"] = str(self._standing.root_certificates.resolve())
        else:
            connection["insecure"] = True
        config = {"superlink": {"default": _CONNECTION, _CONNECTION: connection}}
        (self.folder / "flwr" / "config.toml").write_text(tomli_w.dumps(config))
        if not self.secret.exists():
            self.secret.touch(mode=0o600)
            self.secret.write_bytes(secrets.token_bytes(48))


def _bundled_names() -> set[str]:
    """Return the folders and files of which ``pyproject.toml`` bundles something."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    patterns: list[str] = project["tool"]["flwr"]["app"]["fab-include"]
    return {pattern.strip("/").split("/")[0] for pattern in patterns}


def nested(
    settings: Mapping[str, bool | int | float | str],
) -> dict[str, bool | int | float | str | dict[str, bool | int | float | str]]:
    """Return flat settings with their tables nested, as TOML files have them."""
    tables: dict[str, bool | int | float | str | dict[str, bool | int | float | str]] = {}
    for key, value in settings.items():
        table, dot, name = key.partition(".")
        if not dot:
            tables[key] = value
            continue
        inner = tables.setdefault(table, {})
        if isinstance(inner, dict):
            inner[name] = value
    return tables
