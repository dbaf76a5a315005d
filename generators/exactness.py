"""Convolutions on a GPU that repeat themselves and keep float32's digits."""

from contextlib import AbstractContextManager

import torch


def exact_convolutions() -> AbstractContextManager[None]:
    """Return a context in which the same latents give the same images again.

    Sums have a fixed order, and tensor cores do not round to ten bits what the CPU computes
    with 23. On a CPU it changes nothing.
    """
    context: AbstractContextManager[None] = torch.backends.cudnn.flags(
        enabled=True, benchmark=False, deterministic=True, allow_tf32=False
    )
    return context
