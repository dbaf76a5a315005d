"""What all StyleGANs share: fully connected layers, normalisation and resampling filters."""

import math
from typing import Literal, final

import torch
from torch import Tensor, nn
from torch.nn import functional

LEAK = 0.2


def normalise(vectors: Tensor) -> Tensor:
    """Scale vectors (..., component) to a mean square of 1."""
    return vectors * vectors.square().mean(-1, keepdim=True).add(1e-8).rsqrt()


@final
class FullyConnected(nn.Module):
    """A linear layer whose stored weights have unit variance, whatever its width.

    It computes ``x (W g / sqrt(inputs))^T + b g`` (Karras et al., "Progressive Growing of
    GANs", ICLR 2018, section 4.1).

    Parameters
    ----------
    inputs, outputs : int
        Widths.
    activation : {"linear", "leaky"}
        Leaky has a slope of 0.2 and a gain of the square root of 2.
    learning_rate_factor : float
        How much slower than the rest of the network the layer learns (g).
    bias : float
        Start of all biases.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        activation: Literal["linear", "leaky"] = "linear",
        learning_rate_factor: float = 1.0,
        bias: float = 0.0,
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs) / learning_rate_factor)
        self.bias = nn.Parameter(torch.full((outputs,), bias / learning_rate_factor))
        self._leaky = activation == "leaky"
        self._weight_gain = learning_rate_factor / math.sqrt(inputs)
        self._bias_gain = learning_rate_factor

    def forward(self, inputs: Tensor) -> Tensor:
        """Map (..., input) to (..., output)."""
        outputs = functional.linear(
            inputs, self.weight * self._weight_gain, self.bias * self._bias_gain
        )
        return leaky(outputs) if self._leaky else outputs


def leaky(inputs: Tensor) -> Tensor:
    """Apply a leaky rectifier of slope 0.2 that keeps the mean square of noise."""
    return functional.leaky_relu(inputs, LEAK) * math.sqrt(2)


def resample(
    images: Tensor,
    taps: Tensor,
    *,
    up: int = 1,
    down: int = 1,
    padding: tuple[int, int, int, int] = (0, 0, 0, 0),
    gain: float = 1.0,
) -> Tensor:
    """Upsample with zeros, pad, filter and downsample (``upfirdn``).

    Parameters
    ----------
    images : Tensor
        (batch, channel, height, width).
    taps : Tensor
        (taps,) for a filter that is applied along both axes, or (taps, taps); a true
        convolution, so the taps are not flipped by the caller.
    up, down : int
        Zeros are inserted until there are ``up`` times as many pixels; at last every
        ``down``-th pixel is kept.
    padding : tuple[int, int, int, int]
        Zeros added left, right, top, bottom after upsampling; negative numbers cut.
    gain : float
        Factor on the result.

    Returns
    -------
    Tensor
        (batch, channel, new height, new width).
    """
    batch, channels, height, width = images.shape
    if up > 1:
        spread = images.reshape(batch, channels, height, 1, width, 1)
        spread = functional.pad(spread, [0, up - 1, 0, 0, 0, up - 1])
        images = spread.reshape(batch, channels, height * up, width * up)
    images = functional.pad(images, list(padding))
    flipped = (taps * gain ** (taps.ndim / 2)).flip(list(range(taps.ndim))).to(images.dtype)
    kernel = flipped.expand(channels, 1, *flipped.shape)
    if taps.ndim == 2:
        return functional.conv2d(images, kernel, stride=down, groups=channels)
    rows = functional.conv2d(images, kernel.unsqueeze(2), stride=(1, down), groups=channels)
    return functional.conv2d(rows, kernel.unsqueeze(3), stride=(down, 1), groups=channels)
