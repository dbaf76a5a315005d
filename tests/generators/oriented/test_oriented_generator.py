"""The generator as the server hosts it: the same images every time, and varied ones."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from generators.oriented.generator import OrientedGenerator
from generators.oriented.settings import OrientedSettings
from strategies.common.errors import GeneratorError
from strategies.common.image_generator import ImageGenerator

CPU = torch.device("cpu")


def _build(size: int = 32, seed: int = 0, device: torch.device = CPU) -> ImageGenerator:
    chosen = OrientedSettings.model_validate(
        {"image-size": size, "latent-dim": 64, "mapping-layers": 4, "seed": seed}
    )
    return OrientedGenerator(chosen, device)


def _latents(generator: ImageGenerator, count: int, seed: int = 1) -> Tensor:
    return generator.sample_latents(count, torch.Generator().manual_seed(seed))


def _distances(images: Tensor) -> Tensor:
    """Return root mean square differences in grey levels, over pairs."""
    pixels = images.flatten(1).float()
    return torch.pdist(pixels).div(pixels.shape[1] ** 0.5)


@pytest.fixture(scope="module")
def oriented() -> ImageGenerator:
    return _build()


@pytest.mark.parametrize("size", [16, 32, 64, 128, 256])
def test_shapes_and_dtypes_at_every_size(size: int) -> None:
    generator = _build(size)
    latents = _latents(generator, 1)
    images = generator.synthesize(latents)
    assert (generator.latent_dim, generator.image_shape) == (64, (3, size, size))
    assert not generator.gaussian_latents
    assert (latents.shape, latents.dtype) == ((1, 64), torch.float32)
    assert (images.shape, images.dtype) == ((1, 3, size, size), torch.uint8)
    assert images.device == CPU


def test_no_latents_give_no_images(oriented: ImageGenerator) -> None:
    assert oriented.synthesize(_latents(oriented, 0)).shape == (0, 3, 32, 32)


def test_the_seed_fixes_everything(oriented: ImageGenerator) -> None:
    again, other = _build(), _build(seed=1)
    latents = _latents(oriented, 4)
    assert torch.equal(latents, _latents(again, 4))
    assert torch.equal(oriented.synthesize(latents), again.synthesize(latents))
    assert not torch.equal(latents, _latents(other, 4))
    difference = oriented.synthesize(latents).float() - other.synthesize(latents).float()
    assert float(difference.square().mean().sqrt()) > 40


def test_latents_follow_the_given_generator(oriented: ImageGenerator) -> None:
    assert not torch.equal(_latents(oriented, 4, seed=1), _latents(oriented, 4, seed=2))


@settings(max_examples=10, deadline=None)
@given(chosen=st.lists(st.integers(0, 7), min_size=1, max_size=5))
def test_an_image_does_not_depend_on_its_batch(chosen: list[int]) -> None:
    generator = _build(16)
    latents = _latents(generator, 8)
    assert torch.equal(generator.synthesize(latents[chosen]), generator.synthesize(latents)[chosen])


def test_images_have_contrast_and_colour(oriented: ImageGenerator) -> None:
    images = oriented.synthesize(_latents(oriented, 32)).float()
    # Of 255; an even spread over all levels has 74.
    assert float(images.std((2, 3)).mean(1).min()) > 25
    assert float(images.amax(1).sub(images.amin(1)).mean((1, 2)).min()) > 25
    assert 100 < float(images.mean()) < 155
    assert float(((images == 0) | (images == 255)).float().mean()) < 0.01


def test_other_latents_give_clearly_other_images(oriented: ImageGenerator) -> None:
    distances = _distances(oriented.synthesize(_latents(oriented, 32)))
    # Two independent images of spread 60 each would be 85 apart.
    assert float(distances.mean()) > 70
    assert float(distances.min()) > 30


def test_images_move_smoothly_with_the_latent(oriented: ImageGenerator) -> None:
    latents = _latents(oriented, 16)
    images = oriented.synthesize(latents).float()
    direction = torch.randn(latents.shape, generator=torch.Generator().manual_seed(3))

    def moved(step: float) -> float:
        change = oriented.synthesize(latents + step * direction).float() - images
        return float(change.square().mean().sqrt())

    # Steps as parts of the spread of a component, results in grey levels.
    assert moved(0.01) < 5
    assert moved(0.03) < 12
    assert 1.5 < moved(0.1) / moved(0.03) < 4.5
    assert moved(1.0) > 50


def test_nothing_global_changes() -> None:
    state = torch.get_rng_state()
    precision = torch.backends.cudnn.allow_tf32
    generator = _build(16)
    images = generator.synthesize(_latents(generator, 2).requires_grad_())
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.backends.cudnn.allow_tf32 == precision
    assert torch.is_grad_enabled()
    assert not images.requires_grad


@pytest.mark.parametrize("shape", [(64,), (2, 63), (1, 2, 64)])
def test_latents_of_another_shape_are_refused(
    oriented: ImageGenerator, shape: tuple[int, ...]
) -> None:
    with pytest.raises(GeneratorError, match=r"expected latents \(count, 64\), got"):
        oriented.synthesize(torch.zeros(shape))


def test_latents_that_are_not_finite_are_refused(oriented: ImageGenerator) -> None:
    with pytest.raises(GeneratorError, match="expected finite latents"):
        oriented.synthesize(torch.full((1, 64), float("nan")))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_draws_the_same_images(oriented: ImageGenerator) -> None:
    on_gpu = _build(device=torch.device("cuda"))
    latents = _latents(oriented, 8)
    assert torch.equal(_latents(on_gpu, 8).cpu(), latents)
    difference = on_gpu.synthesize(latents).int() - oriented.synthesize(latents).int()
    assert int(difference.abs().max()) <= 2
