"""The arrays x and y in one file of PFLlib or HtFLlib, as samples.

What is refused is told by types, shapes, counts and row numbers: values are a device's own.
"""

from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from client_app.data import npz
from strategies.common.errors import DataError
from strategies.common.samples import Samples
from strategies.common.settings import LARGEST
from strategies.common.transport.ranges import MAX_CLASSES

_WRITTEN: Final = "number the classes of all clients from 0, and write y as int64"


def samples_of(path: Path, text_length: int) -> tuple[Samples, int]:
    """Read one file, and return with it how many texts were cut.

    Parameters
    ----------
    path : Path
        The file; its floats stay as they are.
    text_length : int
        Words of each text, where texts are of lengths of their own.

    Raises
    ------
    DataError
        If it cannot be read, or holds anything but x and y.
    """
    arrays = npz.read(path, text_length)
    if not {"x", "y"} <= set(arrays):
        raise DataError(f"{path}: expected the arrays x and y, got {', '.join(arrays) or 'none'}")
    x, y = arrays["x"], arrays["y"]
    if x.shape[:1] == y.shape == (0,):
        raise DataError(
            f"{path}: expected samples, found none; give the client some, or leave it out"
        )
    if y.shape != x.shape[:1]:
        raise DataError(f"{path}: expected one y for each x, got x {x.shape} and y {y.shape}")
    if 0 in x.shape[1:]:
        raise DataError(
            f"{path}: expected x with something in each sample, got {len(x)} of shape "
            f"{x.shape[1:]}: no length, channels, steps, height or width may be 0; write the "
            f"samples anew, or leave this client out"
        )
    labels = _labels(y, path)
    inputs = _inputs(x, path)
    _require_finite(inputs, x, path)
    return Samples(inputs, labels), int(arrays.get("x.cut", 0))


def _labels(y: NDArray[np.generic], path: Path) -> Tensor:
    """Return class numbers as (samples,) int64."""
    is_number = y.dtype.kind in "iuf"
    numbers = y.astype("float64") if is_number else np.zeros(0)
    is_whole = np.isfinite(numbers) & (np.floor(numbers) == numbers) & (numbers >= 0)
    if y.dtype.kind not in "iu" or not is_whole.all():
        others = f", of which {int((~is_whole).sum())} of {len(y)} are none" if is_number else ""
        raise DataError(
            f"{path}: expected y to be class numbers from 0 of an integer type, got "
            f"{y.dtype}{others}; {_WRITTEN}"
        )
    if beyond := int((numbers >= MAX_CLASSES).sum()):
        raise DataError(
            f"{path}: expected y to be class numbers below {MAX_CLASSES}, got {beyond} of "
            f"{len(y)} that are not; {_WRITTEN}"
        )
    return torch.tensor(y.astype("int64"))


def _require_finite(inputs: Tensor, x: NDArray[np.generic], path: Path) -> None:
    """Refuse samples with numbers that single precision does not hold."""
    bad = (~torch.isfinite(inputs)).flatten(1).any(1).nonzero().flatten()
    if len(bad) == 0:
        return
    largest = np.finfo(np.float32).max
    found, remedy = "NaN or infinity", "remove these samples, or fill in what is missing"
    if bool(np.isfinite(x).all()):
        found = f"{x.dtype} values beyond the {largest:.3g} that single precision holds"
        remedy = "scale x, the same for all clients"
    raise DataError(
        f"{path}: expected finite x, got {found} in {len(bad)} of {len(x)} samples, the first in "
        f"row {int(bad[0])}; {remedy}"
    )


def _inputs(x: NDArray[np.generic], path: Path) -> Tensor:
    if x.ndim == 4 and (x.dtype == "uint8" or (x.dtype.kind in "iu" and x.shape[2] != 1)):
        return _bytes(x, path)
    if x.ndim == 4:
        values = torch.tensor(x, dtype=torch.float32)
        return values.squeeze(2) if values.shape[2] == 1 else values
    if x.ndim == 3 and x.dtype.kind == "f":
        return torch.tensor(x, dtype=torch.float32)
    if x.ndim == 2 and x.dtype.kind in "iu" and int(x.min()) >= 0:
        if int(x.max()) > LARGEST:
            raise DataError(
                f"{path}: expected tokens up to {LARGEST}, got larger ones; number words from 0"
            )
        return torch.tensor(x.astype("int64"))
    raise DataError(
        f"{path}: expected x as images (samples, channels, height, width), windows of floats "
        f"(samples, channels, steps) or tokens from 0 (samples, length), got {x.dtype} of shape "
        f"{x.shape}"
    )


def _bytes(x: NDArray[np.generic], path: Path) -> Tensor:
    if x.dtype != "uint8":
        low, high = int(x.min()), int(x.max())
        if low < 0 or high > 255:
            raise DataError(
                f"{path}: expected images as whole numbers from 0 to 255, got {x.dtype} from {low} "
                f"to {high}; scale them to 0 to 255, or write floats in [-1, 1]"
            )
    return torch.tensor(x.astype("uint8"))
