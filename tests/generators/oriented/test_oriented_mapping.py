"""The latent space: standardised, and not simply Gaussian."""

import torch
from torch import Tensor

from generators.oriented.mapping import Mapping


def _latents(num_layers: int = 4) -> Tensor:
    mapping = Mapping(64, num_layers, torch.Generator().manual_seed(0))
    return mapping(torch.randn(4096, 64, generator=torch.Generator().manual_seed(1)))


def test_components_have_zero_mean_and_unit_variance() -> None:
    latents = _latents()
    assert latents.shape == (4096, 64)
    assert latents.dtype == torch.float32
    # The mean of 4096 draws has a standard error of 0.016; measured on 8192 others.
    assert float(latents.mean(0).abs().max()) < 0.1
    assert float((latents.var(0) - 1).abs().max()) < 0.25


def test_components_are_skewed_and_correlated() -> None:
    latents = _latents()
    skewness = latents.sub(latents.mean(0)).div(latents.std(0)).pow(3).mean(0).abs().mean()
    # For Gaussian components it would be about sqrt(6 / 4096) * sqrt(2 / pi) = 0.03.
    assert float(skewness) > 0.5
    variances = torch.linalg.eigvalsh(torch.cov(latents.T))
    effective = float(variances.sum() ** 2 / variances.square().sum())
    # 64 for independent components; far fewer directions would mean a collapsed network.
    assert 8 < effective < 48


def test_distances_suit_the_fixed_bandwidths() -> None:
    squared = torch.pdist(_latents()[:1024]).square()
    # Twice the dimension for unit variance: 128 on average.
    assert 90 < float(squared.median()) < 140
    kernel = sum(float(torch.exp(-squared / (2 * width)).mean()) for width in (10, 15, 20, 50))
    # Of at most 4: neither vanishing nor saturated.
    assert 0.1 < kernel < 1.5


def test_the_scale_of_z_does_not_matter() -> None:
    mapping = Mapping(8, 2, torch.Generator().manual_seed(0))
    noise = torch.randn(5, 8, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(mapping(3 * noise), mapping(noise))


def test_more_layers_spread_the_lengths_of_latents() -> None:
    def spread(latents: Tensor) -> float:
        lengths = latents.square().sum(1)
        return float(lengths.std() / lengths.mean())

    assert spread(_latents(num_layers=8)) > spread(_latents(num_layers=2))
