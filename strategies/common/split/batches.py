"""Which samples a client learns from in which step: a pure function of the step.

A device that lost its place, was skipped or was started anew needs no history to go on.
"""

import torch
from torch import Tensor

from strategies.common import seeds


def rows(num_samples: int, batch: int, step: int, seed: int, client: int) -> Tensor:
    """Return one client's batch of one step.

    Steps go through the samples in an order drawn anew for each pass. What is left of a pass
    that the batch does not divide is passed over, so that all batches are full. A client
    with fewer samples than a batch repeats them, in a new order at each step.

    Parameters
    ----------
    num_samples : int
        Samples of the client, at least 1.
    batch : int
        Samples per step, at least 1.
    step : int
        Step of the run, from 1.
    seed : int
        The run's root seed.
    client : int
        Logical client; others get other orders.

    Returns
    -------
    Tensor
        (batch,) int64 row numbers.

    Raises
    ------
    ValueError
        If a number is below 1.
    """
    if min(num_samples, batch, step) < 1:
        raise ValueError(
            f"batches: expected num_samples, batch and step of at least 1, got {num_samples}, "
            f"{batch} and {step}"
        )
    passed, position = divmod(step - 1, steps_per_pass(num_samples, batch))
    order = torch.randperm(
        num_samples,
        generator=seeds.generator(seed, "batches", round_number=passed, partition=client),
    )
    repeats = -(-batch // num_samples)
    return order.repeat(repeats)[position * batch : (position + 1) * batch]


def steps_per_pass(num_samples: int, batch: int) -> int:
    """Return how many full batches one pass over the samples gives, at least 1."""
    return max(1, num_samples // batch)
