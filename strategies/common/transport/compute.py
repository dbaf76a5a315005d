"""Where and with how many threads to compute."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from strategies.common.errors import SettingsError


def require_device(name: str, setting: str) -> None:
    """Refuse a GPU where there is none.

    Parameters
    ----------
    name : str
        ``cpu``, ``cuda`` or ``auto``.
    setting : str
        What named it, ``device`` or ``server-device``.

    Raises
    ------
    SettingsError
        With what there is.
    """
    if name == "cuda" and not torch.cuda.is_available():
        raise SettingsError(
            f"setting {setting}: expected cpu or auto, since this machine has no GPU that torch "
            f"can use, got cuda"
        )


def torch_device(name: str, setting: str = "device") -> torch.device:
    """Return the torch device of a setting: ``cpu``, ``cuda`` or ``auto``.

    On a GPU this process computes convolutions by cuDNN's deterministic algorithms from here
    on: the others add up gradients in an order that changes from run to run, and two runs of
    one seed then differ by whole points of accuracy.

    Raises
    ------
    SettingsError
        If it names a GPU, and there is none.
    """
    require_device(name, setting)
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
