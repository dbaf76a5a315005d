"""Several runs on one local federation, simulated or deployed, and their table."""

import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, final

from rich.console import Console

from local_federation.engine.resources import Resources
from local_federation.engine.start import StartEngine, start_process
from local_federation.engine_host import EngineHost
from local_federation.flower_host import FlowerHost
from local_federation.host import Host, Settings
from local_federation.lock import lock
from local_federation.watch import follow
from server_app.half import open_settings
from server_app.progress import results_table
from strategies.common.errors import RunFolderError
from strategies.common.settings import default_config
from strategies.common.settings_changes import check_known
from strategies.methods import method_settings

# Who carries the clients: forks of one process, Ray, or real SuperNodes.
Carrier = Literal["engine", "ray", "nodes"]


@final
@dataclass(frozen=True)
class Campaign:
    """Runs that share their clients.

    Attributes
    ----------
    folder : Path
        Takes logs and what the host needs under ``.federation``, and the runs beside it.
    num_clients : int
        Clients of every run.
    carrier : str
        ``"engine"`` and ``"ray"`` simulate clients; with ``"nodes"`` each is a pair of processes.
    settings : Settings
        Settings that differ from the defaults, for all runs.
    resources : Resources
        What simulated clients share.
    start_engine : StartEngine
        Starts the engine, where that is the carrier.
    """

    folder: Path
    num_clients: int
    carrier: Carrier
    settings: Settings
    resources: Resources = field(default_factory=Resources)
    start_engine: StartEngine = start_process

    def play(self, runs: Mapping[str, Settings], console: Console) -> None:
        """Play runs one after another, then stop everything that was started.

        Parameters
        ----------
        runs : Mapping[str, Settings]
            Settings of each run by its name. A run of the same name from before is replaced.
        console : Console
            Where to show progress.

        Raises
        ------
        NectarError
            Before anything is touched, if a setting is wrong, a folder in the way holds no run,
            or another command plays in this folder.
        LocalFederationError
            If more nodes would have to be at work at once than a simulation runs, if something
            did not start, or if a run failed.
        """
        home = self.folder / ".federation"
        every = [self._every(home, name, settings) for name, settings in runs.items()]
        for settings in every:
            self._check(settings)
        host = self._host(home)
        host.check(every)
        with ExitStack() as stack:
            stack.enter_context(_held(self.folder))
            for place in (home, *(self.folder / name for name in runs)):
                shutil.rmtree(place, ignore_errors=True)
            stack.callback(host.stop)
            host.start(console)
            for settings in every:
                playing = host.play(settings)
                stack.callback(playing.stop)
                follow(playing, self.folder / str(settings["run-name"]), console)

    def show(self, name: str, compare_with: str | None, console: Console) -> None:
        """Print a run's table and the path of its report."""
        run_dir = self.folder / name
        compare_dir = self.folder / compare_with if compare_with else None
        console.print(results_table(run_dir, compare_dir))
        console.print(f"report: {run_dir / 'report.html'}", soft_wrap=True)

    def _check(self, settings: Settings) -> None:
        check_known(settings)
        config = {**default_config(), **settings}
        method_settings(open_settings(config).method, config)
        run_dir = self.folder / str(settings["run-name"])
        if run_dir.exists() and not (run_dir / "settings.toml").is_file():
            raise RunFolderError(
                f"{run_dir}: expected an earlier run to replace, or nothing, found something else, "
                f"which is left alone; choose another --name or --folder"
            )

    def _host(self, home: Path) -> Host:
        if self.carrier == "engine":
            return EngineHost(
                home, self.num_clients, self.resources, start_engine=self.start_engine
            )
        simulated = self.carrier == "ray"
        workers = self.resources.workers
        return FlowerHost(home, self.num_clients, simulated=simulated, workers=workers)

    def _every(
        self, home: Path, name: str, settings: Settings
    ) -> dict[str, bool | int | float | str]:
        return {
            **self.settings,
            **settings,
            "run-name": name,
            "runs-dir": str(self.folder),
            "state-dir": str(home / "state"),
            "min-nodes": self.num_clients,
        }


@contextmanager
def _held(folder: Path) -> Iterator[None]:
    """Hold a folder of runs, whose clients' states lie beside them; ends with this process."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".playing").open("a") as mark:
        lock(
            mark,
            f"{folder}: another command plays here; wait for its end, or take another --folder",
        )
        yield
