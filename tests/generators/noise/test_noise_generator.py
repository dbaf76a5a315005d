"""Pictures of plain noise."""

import pytest
import torch

from generators.build import build
from strategies.common.errors import GeneratorError
from strategies.common.run_config import default_config

_NOISE = build("noise", default_config(), torch.device("cpu"))


def test_pixels_are_independent_noise_around_grey() -> None:
    latents = _NOISE.sample_latents(400, torch.Generator().manual_seed(0))
    pictures = _NOISE.synthesize(latents)
    assert (pictures.shape, pictures.dtype) == ((400, 3, 32, 32), torch.uint8)
    pixels = pictures.flatten(1).float()
    assert pixels.mean().item() == pytest.approx(128, abs=0.5)
    assert pixels.std().item() == pytest.approx(42, abs=1)
    # Over pictures, two pixels share nothing but what 64 dimensions and 400 draws leave.
    correlations = torch.corrcoef(pixels[:, :100].T).fill_diagonal_(0)
    assert correlations.abs().mean().item() < 0.15


def test_neighbouring_pixels_are_unrelated_within_a_picture() -> None:
    latents = _NOISE.sample_latents(1, torch.Generator().manual_seed(1))
    picture = _NOISE.synthesize(latents)[0, 0].float() - 128
    left, right = picture[:, :-1].flatten(), picture[:, 1:].flatten()
    assert abs(torch.corrcoef(torch.stack([left, right]))[0, 1].item()) < 0.12


def test_a_picture_follows_its_latent() -> None:
    latent = _NOISE.sample_latents(1, torch.Generator().manual_seed(2))
    here, near = _NOISE.synthesize(torch.cat([latent, latent + 0.01])).float()
    assert 0 < (here - near).abs().mean().item() < 2
    assert torch.equal(_NOISE.synthesize(latent), _NOISE.synthesize(latent))


def test_other_latents_are_refused() -> None:
    with pytest.raises(GeneratorError, match=r"noise: expected latents \(count, 64\)"):
        _NOISE.synthesize(torch.zeros(1, 3))
    assert _NOISE.synthesize(torch.zeros(0, 64)).shape == (0, 3, 32, 32)
