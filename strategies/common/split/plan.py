"""Who exchanges activations in one session: to learn, or to be surveyed."""

from dataclasses import dataclass
from typing import Protocol, final


class _Dealt(Protocol):
    @property
    def cohorts(self) -> tuple[tuple[int, ...], ...]:
        """Logical clients of each cohort."""


class _Pooled:
    """What both kinds of session have in common.

    A *logical client* owns a private data split and a client model; one node may carry
    several. A *cohort* is a part of the pool whose activations the server takes in
    together; while it works on one cohort, the other's frames travel.
    """

    @property
    def pool(self: _Dealt) -> tuple[int, ...]:
        """All logical clients of the session, ascending."""
        return tuple(sorted(client for cohort in self.cohorts for client in cohort))

    def seats(self: _Dealt, node: int, clients_per_node: int) -> tuple[tuple[int, ...], ...]:
        """Return the logical clients that one node carries, cohort by cohort.

        Parameters
        ----------
        node : int
            Which one.
        clients_per_node : int
            Node n carries logical clients n*k to n*k + k - 1.
        """
        first = node * clients_per_node
        own = range(first, first + clients_per_node)
        return tuple(tuple(c for c in cohort if c in own) for cohort in self.cohorts)


@final
@dataclass(frozen=True)
class TrainingPlan(_Pooled):
    """A session in which the pool of a round learns.

    Attributes
    ----------
    first_step : int
        Number of its first step.
    steps : int
        Optimiser steps, at least 1.
    batch : int
        Samples per logical client and step, b in the paper.
    cohorts : tuple[tuple[int, ...], ...]
        Logical clients of each cohort, ascending; no client is in two cohorts.

    Raises
    ------
    ValueError
        If there is no step to take.
    """

    first_step: int
    steps: int
    batch: int
    cohorts: tuple[tuple[int, ...], ...]

    def __post_init__(self) -> None:
        if min(self.first_step, self.steps) < 1:
            raise ValueError(
                f"plan: expected steps from 1 on, got {self.steps} from step {self.first_step}"
            )

    @property
    def step_numbers(self) -> range:
        """Steps that are taken."""
        return range(self.first_step, self.first_step + self.steps)


@final
@dataclass(frozen=True)
class SurveyPlan(_Pooled):
    """A session in which clients send samples that the server evaluates.

    Attributes
    ----------
    clients : tuple[int, ...]
        Logical clients that are asked, ascending.
    """

    clients: tuple[int, ...]

    @property
    def cohorts(self) -> tuple[tuple[int, ...], ...]:
        """All clients at once: nobody waits for anybody."""
        return (self.clients,)

    @property
    def step_numbers(self) -> range:
        """No steps."""
        return range(1, 1)

    @property
    def batch(self) -> int:
        """One sample: a survey's parts say themselves how many they hold."""
        return 1


Plan = TrainingPlan | SurveyPlan


def deal_cohorts(pool: tuple[int, ...], count: int) -> tuple[tuple[int, ...], ...]:
    """Deal a pool to cohorts in turn, so that a node with many clients sits in all of them."""
    ordered = sorted(pool)
    return tuple(tuple(ordered[start::count]) for start in range(min(count, len(ordered))))
