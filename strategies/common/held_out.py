"""Training samples that a method holds out of training by what they are."""

import hashlib
from typing import Final

import torch
from torch import Tensor

from strategies.common.device import Device
from strategies.common.errors import DataError

# Batch normalisation needs two samples on either side.
_FEWEST: Final = 4


def held_out(device: Device, most: int) -> tuple[Tensor, Tensor]:
    """Part a client's training samples: those with the lowest digests are held out.

    Digests are salted by seed and client. While ``most`` are held out, a sample that is added
    later moves none that has been learnt from to them.

    Parameters
    ----------
    device : Device
        Gives the samples.
    most : int
        How many are held out; at most half of all are.

    Returns
    -------
    tuple[Tensor, Tensor]
        (learnt,) and (held out,) int64 rows, ascending.

    Raises
    ------
    DataError
        If there are fewer than four.
    """
    count, run = len(device.train), device.settings
    if count < _FEWEST:
        raise DataError(
            f"{run.method}: expected at least {_FEWEST} training samples, half of them to hold "
            f"out, got {count}; set min-train-samples={_FEWEST}"
        )
    salt = f"{run.seed}:{device.partition}".encode()[: hashlib.blake2b.SALT_SIZE]
    every = device.train.inputs.flatten(1).numpy()
    digests = [hashlib.blake2b(one.tobytes(), salt=salt).digest() for one in every]
    rows = torch.tensor(sorted(range(count), key=lambda row: (digests[row], row)))
    held = min(most, count // 2)
    # In the order of the samples, which settings may ask to keep.
    return rows[held:].sort().values, rows[:held].sort().values
