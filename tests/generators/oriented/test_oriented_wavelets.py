"""The filters: energy, orientation, and the share that smooths."""

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from generators.oriented.wavelets import draw_wavelets, gabor


def _column(value: float) -> Tensor:
    return torch.tensor(value).view(1, 1, 1)


def test_wavelets_have_unit_energy_and_gaussians_unit_sum() -> None:
    filters = draw_wavelets(400, torch.Generator().manual_seed(0))
    assert filters.shape == (400, 1, 7, 7)
    energy = filters.square().sum((1, 2, 3))
    is_wavelet = (energy - 1).abs() < 1e-4
    # A Gaussian of spread 1 that sums to one has energy 1 / (4 pi) = 0.08.
    torch.testing.assert_close(filters[~is_wavelet].sum((1, 2, 3)).mean(), torch.tensor(1.0))
    assert float(energy[~is_wavelet].max()) == pytest.approx(1 / (4 * math.pi), rel=0.02)
    # A quarter of 400 is 100, with a standard deviation of 8.7.
    assert 65 < int((~is_wavelet).sum()) < 135


def test_an_even_wavelet_is_symmetric_and_an_odd_one_antisymmetric() -> None:
    even = gabor(_column(0.7), _column(0.0), _column(1.5))
    odd = gabor(_column(0.7), _column(math.pi / 2), _column(1.5))
    torch.testing.assert_close(even, even.flip(1, 2))
    torch.testing.assert_close(odd, -odd.flip(1, 2))


def test_a_wavelet_at_orientation_zero_varies_along_rows() -> None:
    wave = gabor(_column(0.0), _column(0.0), _column(math.pi / 2))[0]
    # Along the middle row the wave is cos(pi/2 x): 1, 0 and -1 at x = 0, 1, 2, under an
    # envelope exp(-x^2 / (2 * 1.3^2)), which is 0.306 at x = 2. Down the middle column
    # there is only the envelope exp(-y^2 / (2 * 2.2^2)), which is 0.662 at y = 2.
    centre = wave[3, 3]
    assert float(wave[3, 4] / centre) == pytest.approx(0.0, abs=1e-6)
    assert float(wave[3, 5] / centre) == pytest.approx(-0.306, abs=1e-3)
    assert float(wave[5, 3] / centre) == pytest.approx(0.662, abs=1e-3)


@pytest.mark.parametrize("orientation", [0.0, 0.4, math.pi / 4, 2.0])
def test_a_wavelet_answers_its_own_orientation(orientation: float) -> None:
    frequency = 1.5
    wavelet = gabor(_column(orientation), _column(0.0), _column(frequency)).unsqueeze(1)

    def power(direction: float) -> float:
        place = torch.arange(32.0)
        along = place * math.cos(direction) + place.view(-1, 1) * math.sin(direction)
        grating = torch.cos(frequency * along).view(1, 1, 32, 32)
        return float(functional.conv2d(grating, wavelet).square().mean())

    assert power(orientation) > 20 * power(orientation + math.pi / 2)
