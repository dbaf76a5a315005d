"""Where and with how many threads to compute."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


def torch_device(name: str) -> torch.device:
    """Return the torch device of a setting: ``cpu``, ``cuda`` or ``auto``.

    On a GPU this process computes convolutions by cuDNN's deterministic algorithms from here
    on: the others add up gradients in an order that changes from run to run, and two runs of
    one seed then differ by whole points of accuracy.
    """
    automatic = "cuda" if torch.cuda.is_available() else "cpu"
    device = torch.device(automatic if name == "auto" else name)
    if device.type == "cuda":
        torch.backends.cudnn.deterministic = True
    return device


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
