"""Who may take part in a round of a split method, and who does."""

from collections.abc import Sequence

import torch

from strategies.common import seeds


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
