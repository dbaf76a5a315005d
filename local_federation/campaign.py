"""Several runs on one local federation, simulated or deployed, and their table."""

import shutil
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import final

from rich.console import Console

from local_federation.nodes import SuperNode
from local_federation.superlink import SuperLink
from local_federation.watch import follow
from server_app.progress import results_table

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
            If something did not start, or a run failed.
        """
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
                self._play_one(superlink, name, settings, console)

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

    def _play_one(
        self, superlink: SuperLink, name: str, settings: Settings, console: Console
    ) -> None:
        run_dir = self.folder / name
        shutil.rmtree(run_dir, ignore_errors=True)
        every = {
            **self.settings,
            **settings,
            "run-name": name,
            "runs-dir": str(self.folder),
            "state-dir": str(superlink.folder / "state"),
            "min-nodes": self.num_clients,
        }
        clients = self.num_clients if self.simulated else None
        run = superlink.submit(every, num_supernodes=clients)
        try:
            follow(run, superlink, run_dir, console)
        finally:
            run.stop()
