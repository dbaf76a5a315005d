"""Samples without labels that server and clients all hold, about which clients can be asked."""

import hashlib
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from strategies.common import seeds


@final
@dataclass(frozen=True)
class OpenSet:
    """What all must hold alike, as far as it is told.

    Attributes
    ----------
    sha256 : str
        Hexadecimal digest of the inputs, in their order.
    samples : int
        How many there are.
    """

    sha256: str
    samples: int


@final
@dataclass(frozen=True)
class OpenData:
    """The samples themselves.

    Attributes
    ----------
    inputs : Tensor
        (samples, ...) as of ``Samples``; there are no labels.
    told : OpenSet
        What tells them from others.
    """

    inputs: Tensor
    told: OpenSet

    @staticmethod
    def of(inputs: Tensor) -> "OpenData":
        """Return inputs with what tells them from others."""
        named = f"{inputs.dtype}:{tuple(inputs.shape)};".encode()
        digest = hashlib.sha256(named + inputs.contiguous().numpy().tobytes()).hexdigest()
        return OpenData(inputs, OpenSet(digest, len(inputs)))


def drawn(told: OpenSet, count: int, seed: int, round_number: int) -> Tensor:
    """Return the rows that a round is about: the same for server and clients.

    Parameters
    ----------
    told : OpenSet
        Gives the number of samples.
    count : int
        How many are drawn; 0, or more than there are, takes all.
    seed : int
        The run's.
    round_number : int
        From 1.

    Returns
    -------
    Tensor
        (drawn,) int64, ascending.
    """
    if not 0 < count < told.samples:
        return torch.arange(told.samples)
    order = seeds.generator(seed, "open data", round_number=round_number)
    return torch.randperm(told.samples, generator=order)[:count].sort().values


def num_drawn(told: OpenSet, count: int) -> int:
    """Return how many rows :func:`drawn` draws."""
    return min(count, told.samples) if count else told.samples
