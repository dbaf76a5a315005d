"""One layer at a time, against plain formulas."""

import math

import torch
from torch.nn import functional

from generators.oriented.layers import ColourLayer, OrientedLayer, Waves


def _random(*shape: int, seed: int = 1) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_oriented_layer_is_a_full_modulated_convolution() -> None:
    layer = OrientedLayer(6, 5, 4, 8, torch.Generator().manual_seed(0))
    features, latent = _random(1, 5, 8, 8), _random(6, seed=2)
    # The textbook way: modulate whole kernels by input channel, demodulate by output
    # channel, convolve once.
    kernels = layer.mix[:, :, None, None] * layer.wavelets
    kernels = kernels * layer.style(latent).view(1, 5, 1, 1)
    mixed_power = (layer.mix * layer.style(latent)).square().sum(1).view(4, 1, 1, 1)
    kernels = kernels / mixed_power.sqrt()
    padded = functional.pad(features, (3, 3, 3, 3), mode="replicate")
    response = functional.conv2d(padded, kernels)
    response = response / (response.square().mean((2, 3), keepdim=True) + 0.01).sqrt()
    before = response + layer.noise + layer.bias
    expected = torch.where(before > 0, before, 0.2 * before) * math.sqrt(2 / 1.04)
    torch.testing.assert_close(layer(features, latent), expected, atol=1e-5, rtol=1e-5)


def test_oriented_layer_connects_sparsely() -> None:
    layer = OrientedLayer(6, 48, 48, 4, torch.Generator().manual_seed(0))
    assert ((layer.mix != 0).sum(1) == 3).all()


def test_styles_are_positive_and_bounded_however_far_the_latent() -> None:
    layer = ColourLayer(6, 20, torch.Generator().manual_seed(0))
    near, far = layer.style(torch.zeros(6)), layer.style(1e6 * _random(6))
    torch.testing.assert_close(near, torch.ones(20))
    assert far.min() >= math.exp(-2) - 1e-4
    assert far.max() <= math.exp(2) + 1e-4
    assert far.max() / far.min() > 50


def test_waves_shift_with_the_latent() -> None:
    waves = Waves(6, 30, torch.Generator().manual_seed(0))
    still, moved = waves(torch.zeros(6)), waves(_random(6))
    assert still.shape == (1, 30, 4, 4)
    torch.testing.assert_close(still[0], math.sqrt(2) * torch.cos(waves.angles))
    assert float((still - moved).abs().mean()) > 0.3


def test_colours_share_brightness() -> None:
    mix = ColourLayer(6, 4000, torch.Generator().manual_seed(0)).mix
    correlation = torch.corrcoef(mix)
    # The share 0.6 of the amplitude, 0.36 of the power; standard error 0.014.
    torch.testing.assert_close(correlation[0, 1], torch.tensor(0.36), atol=0.06, rtol=0)
    torch.testing.assert_close(correlation[1, 2], torch.tensor(0.36), atol=0.06, rtol=0)
