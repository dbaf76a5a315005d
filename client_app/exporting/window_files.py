"""Files of sensor windows for an exported model: NumPy arrays of numbers, one window or many."""

from pathlib import Path
from typing import Final

import numpy as np
import torch
from torch import Tensor

from client_app.data import windows
from strategies.common.inputs import Windows

SUFFIX: Final = ".npy"


def is_array(path: Path) -> bool:
    """Tell by a file's name whether it holds an array."""
    return path.suffix.lower() == SUFFIX


def read(path: Path, what: Windows, window_length: int) -> Tensor | str:
    """Return windows as the model reads them, or why they cannot be.

    Parameters
    ----------
    path : Path
        Holds numbers (channels, steps), (windows, channels, steps), or, as PFLlib keeps them,
        (windows, channels, 1, steps). Nothing in it is executed.
    what : Windows
        What the model reads.
    window_length : int
        Steps to which its client's windows were resampled; 0 where they were not.

    Returns
    -------
    Tensor | str
        (windows, channels, steps) float32.
    """
    try:
        array = np.load(path, allow_pickle=False)
    except Exception as error:  # NumPy evaluates a literal and opens zips, which raise anything
        return f"expected a NumPy array of numbers, got {type(error).__name__}: {error}"
    # A zip of several arrays is none, whatever its name.
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiu":
        return f"expected an array of numbers, got {getattr(array, 'dtype', 'several')}"
    # By way of double precision: numpy would warn of what single precision cannot hold.
    found = torch.tensor(array.astype(np.float64)).to(torch.float32)
    if found.ndim == 4 and found.shape[2] == 1:
        found = found.squeeze(2)
    found = found[None] if found.ndim == 2 else found
    got = tuple(found.shape[1:])
    resampled = bool(window_length) and found.ndim == 3 and bool(got[-1])
    if found.ndim != 3 or got[0] != what.channels or not (resampled or got == what.shape):
        return _refusal(array.shape, got, what, window_length)
    if not len(found) or not bool(torch.isfinite(found).all()):
        return "expected finite numbers of at least one window, got NaN, infinity or none"
    return windows.resample(found, window_length)


def _refusal(
    shape: tuple[int, ...], each: tuple[int, ...], what: Windows, window_length: int
) -> str:
    """Say what is wrong with an array of a shape, which holds windows of a shape each."""
    sizes = f"{what.channels} channels" if window_length else f"{what.channels} x {what.steps}"
    said = f"expected windows of {sizes} (channels, steps), got {shape}"
    if window_length or len(each) != 2 or each[0] != what.channels:
        return said
    return f"{said}: the model was trained without window-length, on windows as they were"
