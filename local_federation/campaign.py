"""Several runs on one local federation, simulated or deployed, and their table."""

import os
import shutil
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import final

from rich.console import Console

from local_federation.nodes import SuperNode
from local_federation.superlink import LocalFederationError, Simulation, SuperLink
from local_federation.watch import follow
from server_app.progress import results_table
from strategies.methods import exchanges

# Flower's simulation answers messages from a default ThreadPoolExecutor.
_SPARE_THREADS = 4

Settings = Mapping[str, bool | int | float | str]


@final
@dataclass(frozen=True)
class Campaign:
    """Runs that share their clients.

    Attributes
    ----------
    folder : Path
        Takes Flower's home and logs under ``.federation`` and the runs beside it.
    num_clients : int
        Clients of every run.
    simulated : bool
        Whether Ray plays the clients; otherwise each is a pair of processes.
    settings : Settings
        Settings that differ from the defaults, for all runs.
    """

    folder: Path
    num_clients: int
    simulated: bool
    settings: Settings

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
        LocalFederationError
            If more nodes would have to be at work at once than a simulation runs, if something
            did not start, or if a run failed.
        """
        simulations = {
            name: self._simulation(str({**self.settings, **settings}["method"]))
            for name, settings in runs.items()
        }
        home = self.folder / ".federation"
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir(parents=True)
        superlink = SuperLink(home, simulation=self.simulated)
        with ExitStack() as stack:
            stack.callback(superlink.stop)
            superlink.start()
            where = f"SuperLink on {superlink.address}, logs in {home / 'logs'}"
            console.print(where, soft_wrap=True)
            if not self.simulated:
                self._start_nodes(superlink, stack, console)
            for name, settings in runs.items():
                every = self._every(superlink, name, settings)
                self._play_one(superlink, every, simulations[name], console)

    def show(self, name: str, compare_with: str | None, console: Console) -> None:
        """Print a run's table and the path of its report."""
        run_dir = self.folder / name
        compare_dir = self.folder / compare_with if compare_with else None
        console.print(results_table(run_dir, compare_dir))
        console.print(f"report: {run_dir / 'report.html'}", soft_wrap=True)

    def _start_nodes(self, superlink: SuperLink, stack: ExitStack, console: Console) -> None:
        for partition in range(self.num_clients):
            node = SuperNode(superlink, partition, self.num_clients)
            stack.callback(node.stop)
            node.start()
            console.print(f"SuperNode {partition}: processes {node.pids}")

    def _simulation(self, method: str) -> Simulation | None:
        if not self.simulated:
            return None
        cores = os.cpu_count() or 1
        if not exchanges(method):
            return Simulation(self.num_clients, workers=cores)
        if self.num_clients > cores + _SPARE_THREADS:
            raise LocalFederationError(
                f"{method} needs all {self.num_clients} nodes at work at once, and a simulation on "
                f"{cores} cores runs {cores + _SPARE_THREADS}: use --clients {cores} and let each "
                f"carry several clients with --set clients-per-node="
                f"{-(-self.num_clients // cores)}"
            )
        return Simulation(self.num_clients, workers=max(cores, self.num_clients))

    def _every(
        self, superlink: SuperLink, name: str, settings: Settings
    ) -> dict[str, bool | int | float | str]:
        return {
            **self.settings,
            **settings,
            "run-name": name,
            "runs-dir": str(self.folder),
            "state-dir": str(superlink.folder / "state"),
            "min-nodes": self.num_clients,
        }

    def _play_one(
        self,
        superlink: SuperLink,
        settings: Settings,
        simulation: Simulation | None,
        console: Console,
    ) -> None:
        run_dir = self.folder / str(settings["run-name"])
        shutil.rmtree(run_dir, ignore_errors=True)
        run = superlink.submit(settings, simulation=simulation)
        try:
            follow(run, superlink, run_dir, console)
        finally:
            run.stop()
