"""Windows of sensor readings brought to one length, as images are to one size."""

from torch import Tensor
from torch.nn import functional


def resample(windows: Tensor, length: int) -> Tensor:
    """Interpolate linearly along time between the readings.

    The old steps and the new ones span the same time, so that a step's middle is where it is read.

    Parameters
    ----------
    windows : Tensor
        (samples, channels, steps) float32.
    length : int
        Steps; 0 keeps those that there are.

    Returns
    -------
    Tensor
        (samples, channels, length).
    """
    if length in (0, windows.shape[2]):
        return windows
    return functional.interpolate(windows, size=length, mode="linear", align_corners=False)
