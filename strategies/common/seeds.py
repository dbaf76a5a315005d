"""One seed, derived per purpose, round and partition.

Nothing in Nectar draws from a global generator on its own account. Layers that do so
inside a library (initialisation, dropout) run under :func:`seeded`, which gives them a
derived seed and puts the global state back afterwards.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import torch

# In place of a client, what all have alike.
EVERYONE = -1


def derive(seed: int, purpose: str, *, round_number: int = 0, partition: int = EVERYONE) -> int:
    """Derive an independent 63-bit seed.

    Parameters
    ----------
    seed : int
        The run's root seed.
    purpose : str
        What the randomness is for, e.g. ``"batches"``; other purposes give other numbers.
    round_number : int
        Round it is for; 0 where it holds for the whole run.
    partition : int
        Client it is for; ``EVERYONE`` for the server, and for all clients alike.

    Examples
    --------
    >>> derive(0, "batches", round_number=1) == derive(0, "batches", round_number=2)
    False
    """
    text = f"{seed}/{purpose}/{round_number}/{partition}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def generator(
    seed: int, purpose: str, *, round_number: int = 0, partition: int = EVERYONE
) -> torch.Generator:
    """Return a CPU generator seeded by :func:`derive`."""
    derived = derive(seed, purpose, round_number=round_number, partition=partition)
    return torch.Generator().manual_seed(derived)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Run a block with torch's global generators seeded, and restore them afterwards."""
    devices = list(range(torch.cuda.device_count())) if torch.cuda.is_available() else []
    with torch.random.fork_rng(devices=devices):
        # torch.manual_seed would, without a GPU, keep a formatted stack for the day one comes.
        torch.default_generator.manual_seed(seed)
        if devices:
            torch.cuda.manual_seed_all(seed)
        yield
