"""Several runs on one local federation, simulated or deployed, and their table."""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, final

from rich.console import Console

from local_federation import this_machine
from local_federation.engine.resources import Resources
from local_federation.engine.start import StartEngine, start_process
from local_federation.engine_host import EngineHost
from local_federation.flower_host import FlowerHost
from local_federation.home import Home
from local_federation.host import Host, Settings, Standing
from local_federation.watch import follow
from server_app.client_list import num_shares
from server_app.enough_replies import require_enough
from server_app.half import open_settings
from server_app.progress import results_table
from strategies import tables
from strategies.common.errors import SettingsError
from strategies.common.run_config import default_config
from strategies.common.settings_changes import check_known
from strategies.methods import method_settings


def resumes(settings: Settings) -> bool:
    """Tell whether runs that are there are to be gone on with.

    Raises
    ------
    SettingsError
        If neither true nor false is said: most words would count as true.
    """
    asked = settings.get("resume", False)
    if not isinstance(asked, bool):
        raise SettingsError(f"setting resume: expected a boolean, true or false, got {asked!r}")
    return asked


def _nobody() -> None:
    """Tell nobody."""


# Who carries the clients: forks of one process, Ray, or real SuperNodes.
Carrier = Literal["engine", "ray", "nodes"]


@final
@dataclass(frozen=True)
class Campaign:
    """Runs that share their clients.

    Attributes
    ----------
    folder : Path
        Takes the runs, and beside them, in a :class:`~local_federation.home.Home`, the rest.
    num_clients : int
        Clients of every run.
    carrier : str
        ``"engine"`` and ``"ray"`` simulate clients; with ``"nodes"`` each is a pair of processes.
    settings : Settings
        Settings that differ from the defaults, for all runs; with ``resume`` those that are there
        are gone on with.
    resources : Resources
        What simulated clients share.
    start_engine : StartEngine
        Starts the engine, where that is the carrier.
    replace : bool
        Whether runs of the same names that are there are played anew.
    begun : Callable[[], None]
        Told when whatever lies there is of these runs, so that it may be gone on with.
    standing : Standing | None
        A SuperLink with nodes that run already, for the carrier ``"nodes"``.
    """

    folder: Path
    num_clients: int
    carrier: Carrier
    settings: Settings
    resources: Resources = field(default_factory=Resources)
    start_engine: StartEngine = start_process
    replace: bool = False
    begun: Callable[[], None] = _nobody
    standing: Standing | None = None

    def play(self, runs: Mapping[str, Settings], console: Console) -> None:
        """Play runs one after another, then stop everything that was started.

        Parameters
        ----------
        runs : Mapping[str, Settings]
            Settings of each run by its name.
        console : Console
            Where to show progress.

        Raises
        ------
        NectarError
            Before anything is touched, if a setting is wrong, something is in the way, or another
            command plays one of these runs.
        LocalFederationError
            If more nodes would have to be at work at once than a simulation runs, if something
            did not start, or if a run failed.
        """
        self.check(runs)
        home = Home(self.folder, tuple(runs))
        host = self._host(home.path)
        host.check(self._every(home, runs, self._standing(home, runs)))
        with ExitStack() as stack:
            stack.enter_context(home.held())
            # Whoever held these runs before may have played them.
            standing = self._standing(home, runs)
            every = self._every(home, runs, standing)
            host.check(every)
            for name in runs:
                if self.replace and not standing[name] and home.has_rounds(name):
                    console.print(f"{name}: the run of before is replaced", highlight=False)
            home.clear(standing)
            self.begun()
            stack.callback(host.stop)
            host.start(console)
            for settings in every:
                playing = host.play(settings)
                stack.callback(playing.stop)
                follow(playing, self.folder / str(settings["run-name"]), console)

    def check(self, runs: Mapping[str, Settings]) -> None:
        """Refuse settings with which a run could not begin; nothing is touched.

        Raises
        ------
        NectarError
            With what to change.
        """
        home = Home(self.folder, tuple(runs))
        every = self._every(home, runs, dict.fromkeys(runs, resumes(self.settings)))
        for settings in every:
            check_known(settings)
        configs = [{**default_config(), **settings} for settings in every]
        tables.check_read(self.settings, configs)
        for config in configs:
            run = open_settings(config)
            method_settings(run.method, config)
            if self.standing is None:
                require_enough(run, self.num_clients, "--clients ")
                this_machine.check(config)
                this_machine.check_apart(config)

    def show(self, name: str, compare_with: str | None, console: Console) -> None:
        """Print a run's table and the path of its report."""
        run_dir = self.folder / name
        compare_dir = self.folder / compare_with if compare_with else None
        console.print(results_table(run_dir, compare_dir))
        console.print(f"report: {run_dir / 'report.html'}", soft_wrap=True)

    def _standing(self, home: Home, runs: Mapping[str, Settings]) -> Mapping[str, bool]:
        """Tell of each run whether it is gone on with, and refuse what would not go on.

        Raises
        ------
        RunFolderError, SettingsError
            With what to change.
        """
        standing = home.standing(replace=self.replace, resume=resumes(self.settings))
        own = [name for name in runs if name not in _baselines(runs)]
        if self.settings.get("resume-from") and not any(standing[name] for name in own):
            raise SettingsError(
                f"setting resume-from: expected a run with rounds, of which later ones are left "
                f"behind, found none named {' or '.join(own)} in {self.folder}; name it by --name "
                f"and --folder, or leave the setting out"
            )
        if self.standing is None:  # nodes of somebody else know their number themselves
            for name in (name for name in runs if standing[name]):
                self._require_clients(name)
        return standing

    def _require_clients(self, name: str) -> None:
        shares = num_shares(self.folder / name)
        if shares not in (0, self.num_clients):
            raise SettingsError(
                f"--clients: expected {shares} to go on with {self.folder / name}, whose data were "
                f"dealt to so many, got {self.num_clients}; say --clients {shares}, or choose "
                f"another --name"
            )

    def _host(self, home: Path) -> Host:
        if self.carrier == "engine":
            return EngineHost(
                home, self.num_clients, self.resources, start_engine=self.start_engine
            )
        simulated = self.carrier == "ray"
        workers = self.resources.workers
        return FlowerHost(
            home,
            self.num_clients,
            simulated=simulated,
            workers=workers,
            standing=self.standing,
        )

    def _every(
        self, home: Home, runs: Mapping[str, Settings], standing: Mapping[str, bool]
    ) -> list[dict[str, bool | int | float | str]]:
        every = [
            {
                **self.settings,
                **settings,
                "run-name": name,
                "runs-dir": str(self.folder),
                "state-dir": str(home.state),
                "min-nodes": self.num_clients,
                "resume": standing[name],
            }
            for name, settings in runs.items()
        ]
        for settings in every:
            name = settings["run-name"]
            # What has not begun begins, and what others are compared with is not what went wrong.
            if resumes(self.settings) and (not settings["resume"] or name in _baselines(runs)):
                settings.pop("resume-from", None)
        return every


def _baselines(runs: Mapping[str, Settings]) -> set[str]:
    """Return the runs that others are compared with."""
    return {str(settings.get("compare-with", "")) for settings in runs.values()}
