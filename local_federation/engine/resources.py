"""What the clients of a simulated run share: processes, cores and GPUs."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, final

from strategies.methods import exchanges


@final
@dataclass(frozen=True)
class Resources:
    """Processes, cores and GPUs.

    Attributes
    ----------
    workers : int
        Clients at work at once; 0 for as many as there are cores.
    gpus_per_client : float
        Part of a GPU, or number of GPUs, that a client at work has; 0 lets each see all.
    """

    workers: int = 0
    gpus_per_client: float = 0.0

    def at_once(self, method: str, num_nodes: int) -> int:
        """Return how many nodes are at work at once; those that exchange activations all are."""
        if exchanges(method):
            return num_nodes
        return min(num_nodes, self.workers or cores())

    def at_once_of(self, runs: Iterable[Mapping[str, Any]], num_nodes: int) -> int:
        """Return the most nodes that are at work at once in any of some runs."""
        return max(self.at_once(str(run["method"]), num_nodes) for run in runs)


def cores() -> int:
    """Return how many cores this process may use."""
    # Fewer than the machine has, where a container or a scheduler says so.
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
