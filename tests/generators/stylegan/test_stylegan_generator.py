"""A StyleGAN file as the server hosts it."""

from pathlib import Path

import pytest
import torch

from generators.build import build
from generators.checksum import sha256
from generators.stylegan import safetensors_file
from generators.stylegan.generator import StyleGANGenerator
from generators.stylegan.settings import StyleGANSettings
from strategies.common.errors import GeneratorError
from strategies.common.run_config import default_config
from tests.generators.stylegan import tiny

_CPU = torch.device("cpu")


@pytest.fixture(name="file", params=[0, 3], ids=["plain", "with classes"])
def _file(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    path = tmp_path / "tiny.safetensors"
    network = tiny.stylegan2(classes=request.param)
    safetensors_file.write(safetensors_file.describe(network), path)
    return path


def _settings(psi: float = 1.0, batch_size: int = 0, checksum: str = "") -> StyleGANSettings:
    return StyleGANSettings(truncation_psi=psi, batch_size=batch_size, sha256=checksum)


def _random(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_a_file_is_named_in_the_settings(file: Path) -> None:
    generator = build(f"stylegan:{file}", default_config(), _CPU)
    assert (generator.latent_dim, generator.image_shape) == (5, (3, 8, 8))
    assert not generator.gaussian_latents
    images = generator.synthesize(generator.sample_latents(3, _random()))
    assert (images.shape, images.dtype) == ((3, 3, 8, 8), torch.uint8)


def test_latents_come_from_the_mapping_network(file: Path) -> None:
    generator = StyleGANGenerator(file, _settings(), _CPU)
    latents = generator.sample_latents(50, _random())
    assert torch.equal(latents, generator.sample_latents(50, _random()))
    assert not torch.equal(latents, generator.sample_latents(50, _random(1)))
    # With full truncation every latent is the mean.
    mean = StyleGANGenerator(file, _settings(psi=0.0), _CPU).sample_latents(2, _random())
    assert torch.equal(mean[0], mean[1])


def test_a_picture_is_the_same_whatever_is_drawn_beside_it(file: Path) -> None:
    generator = StyleGANGenerator(file, _settings(), _CPU)
    latents = generator.sample_latents(3, _random())
    together = generator.synthesize(latents)
    assert torch.equal(generator.synthesize(latents[1:2]), together[1:2])
    by_two = StyleGANGenerator(file, _settings(batch_size=2), _CPU).synthesize(latents)
    assert int((by_two.int() - together.int()).abs().max()) <= 1


def test_bytes_follow_the_reference(file: Path) -> None:
    generator = StyleGANGenerator(file, _settings(), _CPU)
    latents = generator.sample_latents(2, _random())
    network = generator._network
    exact = network.synthesis(latents.unsqueeze(1).repeat(1, network.num_ws, 1))
    expected = (exact * 127.5 + 128).clamp(0, 255).to(torch.uint8)
    assert int((generator.synthesize(latents).int() - expected.int()).abs().max()) <= 1


def test_no_latents_give_no_pictures(file: Path) -> None:
    generator = StyleGANGenerator(file, _settings(), _CPU)
    assert generator.synthesize(torch.empty(0, 5)).shape == (0, 3, 8, 8)


def test_latents_that_diverged_are_refused(file: Path) -> None:
    generator = StyleGANGenerator(file, _settings(), _CPU)
    with pytest.raises(GeneratorError, match="expected finite latents"):
        generator.synthesize(torch.full((1, 5), torch.nan))
    with pytest.raises(GeneratorError, match=r"expected latents \(count, 5\), got \(1, 4\)"):
        generator.synthesize(torch.zeros(1, 4))


def test_the_checksum_is_checked(file: Path) -> None:
    StyleGANGenerator(file, _settings(checksum=sha256(file).upper()), _CPU)
    with pytest.raises(GeneratorError, match=f"expected SHA-256 {'0' * 64}, got {sha256(file)}"):
        StyleGANGenerator(file, _settings(checksum="0" * 64), _CPU)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(GeneratorError, match=r"no\.pkl"):
        StyleGANGenerator(tmp_path / "no.pkl", _settings(), _CPU)
