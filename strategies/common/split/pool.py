"""Who may take part in a round of a split method, who does, and when it is evaluated."""

from collections.abc import Sequence

import torch

from strategies.common import seeds
from strategies.common.settings import RunSettings


def logical_clients(partitions: Sequence[int], clients_per_node: int) -> tuple[int, ...]:
    """Return the logical clients of some nodes, ascending; node p carries p*k to p*k + k - 1."""
    return tuple(
        node * clients_per_node + own
        for node in sorted(partitions)
        for own in range(clients_per_node)
    )


def draw_pool(clients: Sequence[int], count: int, seed: int, round_number: int) -> tuple[int, ...]:
    """Draw a round's pool uniformly and without replacement.

    Parameters
    ----------
    clients : Sequence[int]
        Logical clients that are there, ascending.
    count : int
        How many to draw.
    seed : int
        Root seed of the run.
    round_number : int
        Which round, from 1.
    """
    randomness = seeds.generator(seed, "pool", round_number=round_number)
    drawn = torch.randperm(len(clients), generator=randomness)[:count]
    return tuple(sorted(clients[place] for place in drawn.tolist()))


def is_evaluated(run: RunSettings, round_number: int) -> bool:
    """Tell whether an evaluation follows a round: every so many, and the last in any case.

    Round 0 stands for the time before the first.
    """
    every = run.evaluate_every
    return round_number == run.rounds or bool(every and round_number % every == 0)
