"""Oriented wavelets: the filters in place of random convolution kernels."""

import math

import torch
from torch import Tensor

KERNEL_SIZE = 7

# Share of channels that smooth instead of answering to an orientation. As in a wavelet
# transform they carry the coarse layout on to the finer scales.
_SMOOTH_SHARE = 0.25
# Standard deviations of the Gaussian envelopes, in pixels. Waves are short along their
# direction and long across it, which is what makes them answer to one orientation.
_LENGTH_ALONG = 1.3
_LENGTH_ACROSS = 2.2
_SMOOTH_LENGTH = 1.0
# Frequencies in radians per pixel.
_LOWEST_FREQUENCY = 0.25 * math.pi
_HIGHEST_FREQUENCY = 0.75 * math.pi


def draw_wavelets(count: int, generator: torch.Generator) -> Tensor:
    """Draw filters of random orientation, phase and frequency.

    Parameters
    ----------
    count : int
        Number of filters.
    generator : torch.Generator
        CPU generator to draw from.

    Returns
    -------
    Tensor
        (count, 1, 7, 7) float32. Most are Gabor wavelets of unit energy; about a quarter
        are Gaussians that sum to one.
    """
    orientation = math.pi * torch.rand(count, 1, 1, generator=generator)
    phase = 2 * math.pi * torch.rand(count, 1, 1, generator=generator)
    spread = _HIGHEST_FREQUENCY - _LOWEST_FREQUENCY
    frequency = _LOWEST_FREQUENCY + spread * torch.rand(count, 1, 1, generator=generator)
    is_smooth = torch.rand(count, 1, 1, generator=generator) < _SMOOTH_SHARE
    wavelets = gabor(orientation, phase, frequency)
    return torch.where(is_smooth, _gaussian(), wavelets).unsqueeze(1)


def gabor(orientation: Tensor, phase: Tensor, frequency: Tensor) -> Tensor:
    """Return Gabor wavelets of unit energy.

    Parameters
    ----------
    orientation : Tensor
        (count, 1, 1) direction of the wave in radians; 0 runs along the rows.
    phase : Tensor
        (count, 1, 1) phase at the centre in radians.
    frequency : Tensor
        (count, 1, 1) frequency in radians per pixel.

    Returns
    -------
    Tensor
        (count, 7, 7).
    """
    vertical, horizontal = _grid()
    along = horizontal * orientation.cos() + vertical * orientation.sin()
    across = vertical * orientation.cos() - horizontal * orientation.sin()
    envelope = torch.exp(-0.5 * ((along / _LENGTH_ALONG) ** 2 + (across / _LENGTH_ACROSS) ** 2))
    wave = envelope * torch.cos(frequency * along + phase)
    energy = wave.square().sum((1, 2), keepdim=True)
    return wave * energy.rsqrt()


def _gaussian() -> Tensor:
    vertical, horizontal = _grid()
    bump = torch.exp(-0.5 * (vertical**2 + horizontal**2) / _SMOOTH_LENGTH**2)
    return bump / bump.sum()


def _grid() -> tuple[Tensor, Tensor]:
    offsets = torch.arange(KERNEL_SIZE, dtype=torch.float32) - KERNEL_SIZE // 2
    return offsets.view(-1, 1), offsets.view(1, -1)
