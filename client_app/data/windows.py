"""Windows of sensor readings brought to one length, as images are to one size."""

from torch import Tensor
from torch.nn import functional

from strategies.common.errors import DataError
from strategies.common.inputs import Inputs, Windows
from strategies.common.settings import RunSettings


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


def require(settings: RunSettings, inputs: Inputs) -> None:
    """Refuse a length for inputs that have none.

    Raises
    ------
    DataError
        With what to do.
    """
    if settings.window_length and not isinstance(inputs, Windows):
        raise DataError(
            f"setting window-length: expected 0 for inputs that are no windows of sensor "
            f"readings, got {settings.window_length} for {inputs}; leave it at 0"
        )
