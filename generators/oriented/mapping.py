"""The mapping network: Gaussian z to the latent space W."""

import math
from typing import final

import torch
from torch import Tensor
from torch.nn import functional

_SLOPE = 0.2
# Keeps the second moment of a Gaussian through a leaky ReLU of this slope.
_GAIN = math.sqrt(2 / (1 + _SLOPE**2))
_BIAS_SPREAD = 0.5
# Draws from which the mean and spread of each component are measured; their error is
# about one per cent.
_MEASURED_DRAWS = 8192


@final
class Mapping:
    """Fully connected layers with leaky ReLU, each component of w standardised.

    An untrained network of this kind gives its outputs a large common part. That part is
    measured once and taken out, and each component is scaled to unit variance. What the
    layers do beyond mean and variance stays: components are skewed and correlated.

    It computes in double precision on the CPU, so that latents are the same whatever device
    draws the images.

    Parameters
    ----------
    latent_dim : int
        Width of z and w.
    num_layers : int
        Number of layers.
    generator : torch.Generator
        CPU generator to draw the weights from.
    """

    def __init__(self, latent_dim: int, num_layers: int, generator: torch.Generator) -> None:
        self.latent_dim = latent_dim
        scale = 1 / math.sqrt(latent_dim)
        self._layers = [
            (
                scale * torch.randn(latent_dim, latent_dim, generator=generator).double(),
                _BIAS_SPREAD * torch.randn(latent_dim, generator=generator).double(),
            )
            for _ in range(num_layers)
        ]
        measured = self._raw(torch.randn(_MEASURED_DRAWS, latent_dim, generator=generator))
        self._mean = measured.mean(0)
        self._spread = measured.std(0)

    def __call__(self, noise: Tensor) -> Tensor:
        """Map Gaussian noise z (count, latent) to w (count, latent), float32 on the CPU."""
        return ((self._raw(noise) - self._mean) / self._spread).float()

    def _raw(self, noise: Tensor) -> Tensor:
        hidden = noise.double()
        hidden = hidden * hidden.square().mean(1, keepdim=True).add(1e-8).rsqrt()
        for weight, bias in self._layers:
            hidden = _GAIN * functional.leaky_relu(hidden @ weight.T + bias, _SLOPE)
        return hidden
