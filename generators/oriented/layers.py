"""The layers of the synthesis network: plane waves, oriented filters, colours.

Every layer draws its weights once, on the CPU, and takes one image at a time: ``latent``
is (latent,), a feature map is (1, channel, height, width).
"""

import math
from typing import final

import torch
from torch import Tensor, nn
from torch.nn import functional

from generators.oriented.wavelets import KERNEL_SIZE, draw_wavelets

START_SIZE = 4

_SLOPE = 0.2
_GAIN = math.sqrt(2 / (1 + _SLOPE**2))
# Input channels that one output channel reads: sparse connections keep structures apart,
# dense ones average them into noise.
_FAN_IN = 3
_NOISE_STRENGTH = 0.2
_BIAS_SPREAD = 0.3
# Radians by which a style of one standard deviation shifts the plane waves.
_WAVE_SHIFT = 1.5
# Added to measured power, so that a channel that answers weakly stays weak.
_POWER_FLOOR = 1e-2
# Correlation of red, green and blue is the square of this, as in photographs most contrast
# is of brightness.
_BRIGHTNESS_SHARE = 0.6


class _Styled(nn.Module):
    """A layer with an affine map from a latent to one factor per input channel."""

    affine: Tensor

    def __init__(self, latent_dim: int, channels: int, generator: torch.Generator) -> None:
        super().__init__()
        affine = torch.randn(channels, latent_dim, generator=generator) / math.sqrt(latent_dim)
        self.register_buffer("affine", affine)

    def style(self, latent: Tensor) -> Tensor:
        """Return positive factors (channel,) that differ strongly between channels.

        Near an exponential, so that a few channels dominate each image; bounded by
        exp(-2) and exp(2), so that a latent far out cannot overflow.
        """
        return torch.exp(2 * torch.tanh(self.affine @ latent / 2))


@final
class Waves(nn.Module):
    """The coarsest feature map: plane waves whose phases follow the latent."""

    affine: Tensor
    angles: Tensor

    def __init__(self, latent_dim: int, channels: int, generator: torch.Generator) -> None:
        super().__init__()
        frequency = math.pi * (torch.rand(2, channels, 1, 1, generator=generator) - 0.5)
        phase = 2 * math.pi * torch.rand(channels, 1, 1, generator=generator)
        affine = torch.randn(channels, latent_dim, generator=generator) / math.sqrt(latent_dim)
        place = torch.arange(START_SIZE, dtype=torch.float32) - (START_SIZE - 1) / 2
        angles = frequency[0] * place.view(-1, 1) + frequency[1] * place + phase
        self.register_buffer("affine", affine)
        self.register_buffer("angles", angles)

    def forward(self, latent: Tensor) -> Tensor:
        """Return (1, channel, 4, 4) of unit power."""
        shift = _WAVE_SHIFT * (self.affine @ latent)
        return math.sqrt(2) * torch.cos(self.angles + shift.view(-1, 1, 1)).unsqueeze(0)


@final
class OrientedLayer(_Styled):
    """A modulated, sparse convolution with one wavelet per output channel.

    Mixing channels and then filtering each mix is a full convolution whose kernels, for
    one output channel, are multiples of one wavelet.
    """

    mix: Tensor
    wavelets: Tensor
    noise: Tensor
    bias: Tensor

    def __init__(
        self, latent_dim: int, inputs: int, outputs: int, size: int, generator: torch.Generator
    ) -> None:
        super().__init__(latent_dim, inputs, generator)
        mix = torch.zeros(outputs, inputs)
        for row in mix:
            chosen = torch.randperm(inputs, generator=generator)[:_FAN_IN]
            row[chosen] = torch.randn(len(chosen), generator=generator)
        self.register_buffer("mix", mix)
        self.register_buffer("wavelets", draw_wavelets(outputs, generator))
        strength = _NOISE_STRENGTH * torch.randn(outputs, 1, 1, generator=generator)
        self.register_buffer("noise", strength * torch.randn(size, size, generator=generator))
        bias = _BIAS_SPREAD * torch.randn(outputs, 1, 1, generator=generator)
        self.register_buffer("bias", bias)

    def forward(self, features: Tensor, latent: Tensor) -> Tensor:
        """Return (1, output, height, width)."""
        weight = self.mix * self.style(latent)
        weight = weight * weight.square().sum(1, keepdim=True).add(1e-8).rsqrt()
        mixed = functional.conv2d(features, weight[:, :, None, None])
        # Repeated borders: zeros would draw a frame around every image.
        padded = functional.pad(mixed, (KERNEL_SIZE // 2,) * 4, mode="replicate")
        response = functional.conv2d(padded, self.wavelets, groups=len(self.wavelets))
        power = response.square().mean((2, 3), keepdim=True)
        response = response * power.add(_POWER_FLOOR).rsqrt()
        return _GAIN * functional.leaky_relu(response + self.noise + self.bias, _SLOPE)


@final
class ColourLayer(_Styled):
    """A modulated 1x1 convolution to red, green and blue."""

    mix: Tensor

    def __init__(self, latent_dim: int, inputs: int, generator: torch.Generator) -> None:
        super().__init__(latent_dim, inputs, generator)
        brightness = torch.randn(1, inputs, generator=generator)
        colour = torch.randn(3, inputs, generator=generator)
        mix = _BRIGHTNESS_SHARE * brightness + math.sqrt(1 - _BRIGHTNESS_SHARE**2) * colour
        self.register_buffer("mix", mix / math.sqrt(inputs))

    def forward(self, features: Tensor, latent: Tensor) -> Tensor:
        """Return (1, 3, height, width)."""
        weight = self.mix * self.style(latent)
        return functional.conv2d(features, weight[:, :, None, None])
