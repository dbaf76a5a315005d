"""Low-pass filters of StyleGAN3 (Karras et al., NeurIPS 2021, appendix C.1)."""

import math

import numpy as np
import torch
from torch import Tensor


def low_pass(num_taps: int, cutoff: float, half_width: float, sampling_rate: float) -> Tensor:
    """Design a filter to apply along both axes: a sinc under Kaiser's window.

    Parameters
    ----------
    num_taps : int
        Length.
    cutoff : float
        Frequency in the middle of the transition band.
    half_width : float
        Half the width of that band; with the length it sets the window.
    sampling_rate : float
        Of the grid it is applied on, in the unit of the frequencies.

    Returns
    -------
    Tensor
        (num_taps,) float32, symmetric, with sum 1.
    """
    places = _places(num_taps, sampling_rate)
    taps = torch.sinc(2 * cutoff * places) * _window(num_taps, half_width, sampling_rate)
    return (taps / taps.sum()).float()


def radial_low_pass(
    num_taps: int, cutoff: float, half_width: float, sampling_rate: float
) -> Tensor:
    """Design a filter that treats all directions alike: a jinc under Kaiser's window.

    Takes what ``low_pass`` takes; ``num_taps`` must be even, since the jinc is not defined at
    the middle. Returns (num_taps, num_taps) float32 with sum 1.
    """
    places = _places(num_taps, sampling_rate)
    radii = torch.hypot(places[:, None], places)
    taps: Tensor = torch.special.bessel_j1(2 * math.pi * cutoff * radii) / (math.pi * radii)
    window = _window(num_taps, half_width, sampling_rate)
    taps = taps * torch.outer(window, window)
    return (taps / taps.sum()).float()


def _places(num_taps: int, sampling_rate: float) -> Tensor:
    return (torch.arange(num_taps, dtype=torch.float64) - (num_taps - 1) / 2) / sampling_rate


def _window(num_taps: int, half_width: float, sampling_rate: float) -> Tensor:
    """Return Kaiser's window for a transition band, by his formulas for the attenuation."""
    width = 2 * half_width / (sampling_rate / 2)
    attenuation = 2.285 * (num_taps - 1) * math.pi * width + 7.95
    if attenuation > 50:
        beta = 0.1102 * (attenuation - 8.7)
    elif attenuation > 21:
        beta = 0.5842 * (attenuation - 21) ** 0.4 + 0.07886 * (attenuation - 21)
    else:
        beta = 0.0
    window: Tensor = torch.from_numpy(np.kaiser(num_taps, beta))
    return window
