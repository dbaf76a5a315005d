"""Windows whose channels have mean 0 and deviation 1, by a client's own training windows."""

from collections.abc import Mapping
from typing import Final, final

import torch
from torch import Tensor, nn

from strategies.common.errors import StoreError

# A channel that varies by less is taken for one that never does: nothing can be divided by it.
_NO_DEVIATION: Final = torch.finfo(torch.float32).tiny


@final
class ChannelScale(nn.Module):
    """Takes each channel's mean away and divides by its deviation.

    Parameters
    ----------
    mean, deviation : Tensor
        (channel,) float32.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, mean: Tensor, deviation: Tensor) -> None:
        super().__init__()
        self.register_buffer("mean", mean)
        self.register_buffer("deviation", deviation)

    @staticmethod
    def of(windows: Tensor) -> "ChannelScale":
        """Return the scale by which windows (samples, channels, steps) become standard.

        A channel that never varies has its mean taken away and is divided by 1.
        """
        values = windows.to(torch.float64)
        deviation, mean = torch.std_mean(values, (0, 2), correction=0)
        # Rounding may leave a constant channel a deviation, which would be divided by.
        varies = (values.amax((0, 2)) > values.amin((0, 2))) & (deviation > _NO_DEVIATION)
        deviation = torch.where(varies, deviation, 1.0)
        return ChannelScale(mean.to(torch.float32), deviation.to(torch.float32))

    @staticmethod
    def blank(channels: int) -> "ChannelScale":
        """Return a scale into which another is to be loaded."""
        return ChannelScale(torch.zeros(channels), torch.ones(channels))

    @staticmethod
    def kept(tensors: Mapping[str, Tensor], channels: int) -> "ChannelScale":
        """Return the scale whose state a client keeps.

        Raises
        ------
        StoreError
            If it is none, or of other channels.
        """
        scale = ChannelScale.blank(channels)
        try:
            scale.load_state_dict(dict(tensors))
        except RuntimeError as error:
            reason = " ".join(str(error).split())
            raise StoreError(
                f"state: expected mean and deviation of the {channels} channels by which this "
                f"client's windows were normalised, got: {reason}; put this client's own state "
                f"back, or choose another run-name"
            ) from None
        return scale

    def forward(self, windows: Tensor) -> Tensor:
        """Return windows (samples, channels, steps) in units of each channel's deviation."""
        return (windows - self.mean[:, None]) / self.deviation[:, None]


@final
class Normalised(nn.Module):
    """A network that reads windows as they are, and normalises them itself.

    Parameters
    ----------
    scale : ChannelScale
        The client's own.
    network : nn.Module
        Reads normalised windows.
    """

    def __init__(self, scale: ChannelScale, network: nn.Module) -> None:
        super().__init__()
        self.scale = scale
        self.network = network

    def forward(self, windows: Tensor) -> Tensor:
        """Return the network's outputs of windows (batch, channels, steps)."""
        outputs: Tensor = self.network(self.scale(windows))
        return outputs
