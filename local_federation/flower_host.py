"""Flower itself as a host: a SuperLink with Ray for a simulation, or with real SuperNodes."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import final

from rich.console import Console

from local_federation.host import LocalFederationError, Settings, Standing, check_data
from local_federation.nodes import SuperNode, stop_nodes
from local_federation.processes import Child
from local_federation.standing import StandingRun
from local_federation.superlink import Simulation, SuperLink
from strategies.methods import exchanges

# Flower's simulation answers messages from a default ThreadPoolExecutor.
_SPARE_THREADS = 4


@final
class FlowerRun:
    """A run of a SuperLink; satisfies ``Playing``.

    Parameters
    ----------
    superlink : SuperLink
        Where it runs.
    child : Child
        Ends when the run ends.
    """

    def __init__(self, superlink: SuperLink, child: Child) -> None:
        self._superlink = superlink
        self._child = child
        self.log = child.log

    def ended(self, timeout_s: float) -> str | None:
        """Wait for its end and say how it came; ``None`` if it goes on."""
        return None if self._child.wait(timeout_s) is None else self._superlink.status(self._child)

    def tail(self, lines: int) -> str:
        """Return the last lines of its log."""
        return self._child.tail(lines)

    def stop(self) -> None:
        """End it if it goes on."""
        self._child.stop()


@final
class FlowerHost:
    """A SuperLink and its nodes; satisfies ``Host``.

    Parameters
    ----------
    home : Path
        Takes Flower's home, logs and what runs leave for each other.
    num_clients : int
        Clients of every run.
    simulated : bool
        Whether Ray plays the clients; otherwise each is a pair of processes.
    workers : int
        Clients that Ray has at work at once; 0 for as many as there are cores.
    standing : Standing | None
        A SuperLink that runs already, with nodes of its own; neither is started or stopped.
    """

    def __init__(
        self,
        home: Path,
        num_clients: int,
        *,
        simulated: bool,
        workers: int = 0,
        standing: Standing | None = None,
    ) -> None:
        self._home = home
        self._num_clients = num_clients
        self._simulated = simulated
        self._workers = workers or os.cpu_count() or 1
        self._standing = standing
        self._superlink: SuperLink | None = None
        self._nodes: list[SuperNode] = []

    def check(self, runs: Sequence[Settings]) -> None:
        """Refuse runs with more nodes at work at once than a simulation on Ray has.

        Raises
        ------
        LocalFederationError, SettingsError
            With what to change.
        """
        check_data(runs)
        for run in runs:
            self._simulation(str(run["method"]))

    def start(self, console: Console) -> None:
        """Start the SuperLink, and SuperNodes where clients are not simulated.

        Raises
        ------
        LocalFederationError
            If something does not come up.
        """
        self._home.mkdir(parents=True, exist_ok=True)
        self._superlink = SuperLink(self._home, simulation=self._simulated, standing=self._standing)
        self._superlink.start()
        where = f"SuperLink on {self._superlink.address}, logs in {self._home / 'logs'}"
        console.print(where, soft_wrap=True)
        if self._simulated or self._standing:
            return
        for partition in range(self._num_clients):
            node = SuperNode(self._superlink, partition, self._num_clients)
            self._nodes.append(node)
            node.start()
            console.print(f"SuperNode {partition}: processes {node.pids}")

    def play(self, settings: Settings) -> FlowerRun | StandingRun:
        """Submit a run."""
        if self._superlink is None:
            raise ValueError("SuperLink: expected to be started before it plays")
        simulation = self._simulation(str(settings["method"]))
        child = self._superlink.submit(settings, simulation=simulation)
        kind = StandingRun if self._standing else FlowerRun
        return kind(self._superlink, child)

    def stop(self) -> None:
        """Stop the nodes, then the SuperLink."""
        stop_nodes(self._nodes)
        if self._superlink is not None:
            self._superlink.stop()

    def _simulation(self, method: str) -> Simulation | None:
        if not self._simulated:
            return None
        workers = self._workers
        if not exchanges(method):
            return Simulation(self._num_clients, workers)
        if self._num_clients > workers + _SPARE_THREADS:
            raise LocalFederationError(
                f"{method} needs all {self._num_clients} nodes at work at once, and Ray with "
                f"{workers} workers runs {workers + _SPARE_THREADS}: leave out --engine ray, or "
                f"use --clients {workers} and let each carry several clients with --set "
                f"clients-per-node={-(-self._num_clients // workers)}"
            )
        return Simulation(self._num_clients, max(workers, self._num_clients))
