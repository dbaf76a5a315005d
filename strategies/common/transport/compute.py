"""Where and with how many threads to compute."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


def torch_device(name: str) -> torch.device:
    """Return the torch device of a setting: ``cpu``, ``cuda`` or ``auto``."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return torch.device(name)


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Run a block with a number of torch threads, and restore it afterwards.

    Sums are split over threads, so the number of threads can change the last digits.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
