"""Who exchanges activations in one round, and how often: the plan of a session."""

from dataclasses import dataclass
from typing import final


@final
@dataclass(frozen=True)
class Plan:
    """One session: the pool of a round, dealt to cohorts.

    A *logical client* owns a private data split and a client model; one node may carry
    several. A *cohort* is a part of the pool whose activations the server takes in
    together; while it works on one cohort, the other's frames travel.

    Attributes
    ----------
    first_step : int
        Number of the session's first step, counted from 1 over the whole run.
    steps : int
        Optimiser steps of this session; 0 for a survey.
    batch : int
        Samples per logical client and step, b in the paper.
    cohorts : tuple[tuple[int, ...], ...]
        Logical clients of each cohort, ascending; no client is in two cohorts.
    """

    first_step: int
    steps: int
    batch: int
    cohorts: tuple[tuple[int, ...], ...]

    @property
    def pool(self) -> tuple[int, ...]:
        """All logical clients of the session, ascending."""
        return tuple(sorted(client for cohort in self.cohorts for client in cohort))

    def seats(self, partition: int, clients_per_node: int) -> tuple[tuple[int, ...], ...]:
        """Return the logical clients that one node carries, cohort by cohort.

        Parameters
        ----------
        partition : int
            The node.
        clients_per_node : int
            Node p carries logical clients p*k to p*k + k - 1.
        """
        first = partition * clients_per_node
        own = range(first, first + clients_per_node)
        return tuple(tuple(c for c in cohort if c in own) for cohort in self.cohorts)


def deal_cohorts(pool: tuple[int, ...], count: int) -> tuple[tuple[int, ...], ...]:
    """Deal a pool to cohorts in turn, so that a node with many clients sits in all of them."""
    ordered = sorted(pool)
    return tuple(tuple(ordered[start::count]) for start in range(min(count, len(ordered))))
