"""Which training samples the kNN monitor is watched on."""

import torch
from torch import Tensor

from strategies.common import seeds


def bank_and_holdout(
    num_samples: int, fraction: float, seed: int, client: int
) -> tuple[Tensor, Tensor]:
    """Split a client's training samples, the same way in every round.

    Parameters
    ----------
    num_samples : int
        Training samples of the client, at least two.
    fraction : float
        Part that is held out, in (0, 1); at least one sample, and at most all but one.
    seed : int
        Root seed of the run.
    client : int
        Logical client.

    Returns
    -------
    tuple[Tensor, Tensor]
        (bank,) and (holdout,) int64 row numbers, ascending.
    """
    order = torch.randperm(
        num_samples, generator=seeds.generator(seed, "holdout", partition=client)
    )
    held = min(max(round(fraction * num_samples), 1), num_samples - 1)
    return order[held:].sort().values, order[:held].sort().values
