"""Tiny pipelines of every kind, drawn with."""

import gc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from torch import Tensor

from strategies.common import seeds
from strategies.common.errors import GeneratorError
from strategies.common.image_generator import ImageGenerator

Build = Callable[..., ImageGenerator]

KINDS = ("sd", "xl", "lcm")
# A consistency model is the first one's network with another scheduler and an input more.
NETWORKS = ("sd", "xl")
# What holds for one kind is shown for the others in make check.
THOROUGH_KINDS = ("sd", *(pytest.param(k, marks=pytest.mark.thorough) for k in ("xl", "lcm")))


def latents_of(generator: ImageGenerator, count: int, seed: int = 0) -> Tensor:
    return generator.sample_latents(count, torch.Generator().manual_seed(seed))


def unet_inputs(generator: ImageGenerator, latents: Tensor) -> list[Tensor]:
    """Return what the UNet is given, step by step."""
    seen: list[Tensor] = []
    unet = generator._pipeline._pipe.unet  # type: ignore[attr-defined]
    handle = unet.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    generator.synthesize(latents)
    handle.remove()
    return seen


@pytest.mark.parametrize("kind", KINDS)
def test_sizes_follow_from_the_unet_and_the_decoder(built: Build, kind: str) -> None:
    generator = built(kind)
    # 4 channels of 8 x 8; the tiny decoder doubles.
    assert generator.latent_dim == 256
    assert generator.image_shape == (3, 16, 16)
    assert generator.gaussian_latents


@pytest.mark.parametrize("kind", THOROUGH_KINDS)
def test_images_fill_their_range_and_differ(built: Build, kind: str) -> None:
    generator = built(kind)
    images = generator.synthesize(latents_of(generator, 4))
    assert images.shape == (4, 3, 16, 16)
    assert images.dtype == torch.uint8
    assert float(images.float().std()) > 20
    differences = images[:1].float() - images[1:].float()
    assert float(differences.abs().mean((1, 2, 3)).min()) > 5


def test_latents_are_unit_variance_noise(built: Build) -> None:
    latents = latents_of(built("xl"), 2000)
    assert latents.dtype == torch.float32
    # Of half a million numbers: 1 / sqrt(512000) is 0.0014.
    assert abs(float(latents.mean())) < 0.01
    assert abs(float(latents.var()) - 1) < 0.01
    assert float(latents.mean(0).abs().max()) < 0.15
    # The typical length is sqrt(256).
    assert float(latents.norm(dim=1).mean()) == pytest.approx(16, rel=0.01)


def test_latents_follow_the_given_generator(built: Build) -> None:
    generator = built("sd")
    assert torch.equal(latents_of(generator, 4, seed=1), latents_of(generator, 4, seed=1))
    assert not torch.equal(latents_of(generator, 4, seed=1), latents_of(generator, 4, seed=2))


@pytest.mark.parametrize("kind", THOROUGH_KINDS)
def test_the_same_latents_give_the_same_images(built: Build, fresh: Build, kind: str) -> None:
    first, other = built(kind, steps=2), fresh(kind, steps=2)
    latents = latents_of(first, 3)
    images = first.synthesize(latents)
    assert torch.equal(first.synthesize(latents), images)
    torch.manual_seed(1)
    assert torch.equal(other.synthesize(latents), images)


@pytest.mark.parametrize("kind", THOROUGH_KINDS)
@settings(
    max_examples=3, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(chosen=st.lists(st.integers(0, 3), min_size=1, max_size=3))
def test_an_image_does_not_depend_on_its_batch(built: Build, kind: str, chosen: list[int]) -> None:
    generator = built(kind, steps=2)
    latents = latents_of(generator, 4)
    images = generator.synthesize(latents)
    assert torch.equal(generator.synthesize(latents[chosen]), images[chosen])


@pytest.mark.parametrize("kind", NETWORKS)
def test_larger_batches_draw_the_same_up_to_rounding(built: Build, kind: str) -> None:
    generator = built(kind, steps=2)
    latents = latents_of(generator, 5)
    batched = built(kind, steps=2, batch_size=3).synthesize(latents)
    assert int((batched.int() - generator.synthesize(latents).int()).abs().max()) <= 1


def test_added_noise_follows_the_seed_where_noise_is_added(built: Build) -> None:
    latents = latents_of(built("lcm"), 2)

    def drawn(steps: int, seed: int) -> Tensor:
        return built("lcm", steps=steps, seed=seed).synthesize(latents)

    assert not torch.equal(drawn(4, 0), drawn(4, 1))
    # One step adds none.
    assert torch.equal(drawn(1, 0), drawn(1, 1))


BARE: dict[str, tuple[str, dict[str, Any]]] = {
    "sd": ("StableDiffusionPipeline", {"num_inference_steps": 3, "guidance_scale": 7.5}),
    "xl": ("StableDiffusionXLPipeline", {"num_inference_steps": 3, "guidance_scale": 5.0}),
    "lcm": (
        "LatentConsistencyModelPipeline",
        {"num_inference_steps": 3, "guidance_scale": 8.0},
    ),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_images_are_those_of_the_bare_library(built: Build, pipelines: Path, kind: str) -> None:
    import diffusers

    generator = built(kind, sampler="own", steps=3)
    latents = latents_of(generator, 2)
    pipeline, call = BARE[kind]
    bare = getattr(diffusers, pipeline).from_pretrained(pipelines / kind, use_safetensors=True)
    for latent, image in zip(latents, generator.synthesize(latents), strict=True):
        expected = bare(
            "a cat",
            latents=latent.view(1, 4, 8, 8),
            generator=seeds.generator(0, "sampler"),
            output_type="pt",
            **call,
        ).images[0]
        assert torch.equal(image, expected.mul(255).round().to(torch.uint8))


@pytest.mark.parametrize("sampler", ["own", "ddim", "dpm", "euler"])
def test_every_sampler_starts_from_noise_of_the_right_strength(built: Build, sampler: str) -> None:
    generator = built("xl", sampler=sampler, guidance=1.0)
    first = unet_inputs(generator, latents_of(generator, 4))[0]
    # Euler's noise has a deviation of 14.6 that its schedule divides by again: without the
    # pipeline's factor the UNet would see 0.07.
    assert float(first.std()) == pytest.approx(1, abs=0.15)


def test_guidance_takes_a_second_pass_only_where_it_is_no_input(built: Build) -> None:
    def rows(kind: str, guidance: float) -> int:
        generator = built(kind, guidance=guidance, steps=1)
        return len(unet_inputs(generator, latents_of(generator, 1))[0])

    assert rows("sd", 7.5) == 2
    assert rows("sd", 1.0) == 1
    assert rows("lcm", 8.0) == 1


@pytest.mark.parametrize("kind", THOROUGH_KINDS)
def test_prompt_and_guidance_matter(built: Build, kind: str) -> None:
    generator = built(kind, steps=2)
    latents = latents_of(generator, 2)
    images = generator.synthesize(latents)
    assert not torch.equal(
        built(kind, steps=2, prompt="the dog of a duke").synthesize(latents), images
    )
    assert not torch.equal(built(kind, steps=2, guidance=60.0).synthesize(latents), images)


def test_the_text_encoders_are_gone(fresh: Build) -> None:
    before = {id(encoder) for encoder in text_encoders()}
    generators = [fresh(kind) for kind in KINDS]
    for generator in generators:
        parts = generator._pipeline._pipe.components  # type: ignore[attr-defined]
        kept = {name for name, part in parts.items() if isinstance(part, torch.nn.Module)}
        assert kept == {"unet", "vae"}
    assert [encoder for encoder in text_encoders() if id(encoder) not in before] == []


def text_encoders() -> list[Any]:
    """Return those alive; tests of other parts may have left some."""
    from transformers import CLIPTextModel

    gc.collect()
    # gc calls isinstance on every object alive, and some object to being asked.
    return [thing for thing in gc.get_objects() if type(thing) is CLIPTextModel]


@pytest.mark.parametrize("kind", NETWORKS)
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_draws_nearly_the_same(built: Build, kind: str, dtype: str) -> None:
    generator = built(kind, steps=2, guidance=1.0)
    latents = latents_of(generator, 2)
    half = built(kind, steps=2, guidance=1.0, dtype=dtype).synthesize(latents)
    assert float((half.float() - generator.synthesize(latents).float()).abs().mean()) < 3


@pytest.mark.parametrize("kind", NETWORKS)
def test_another_decoder_takes_the_place_of_the_own(
    built: Build, pipelines: Path, kind: str
) -> None:
    generator = built(kind, steps=2, vae=str(pipelines / "taesd"))
    latents = latents_of(generator, 2)
    assert generator.image_shape == (3, 16, 16)
    pipe = generator._pipeline._pipe  # type: ignore[attr-defined]
    assert type(pipe.vae).__name__ == "AutoencoderTiny"
    assert not torch.equal(generator.synthesize(latents), built(kind, steps=2).synthesize(latents))


def test_no_images_is_an_empty_tensor(built: Build) -> None:
    assert built("sd").synthesize(torch.zeros(0, 256)).shape == (0, 3, 16, 16)


def test_nothing_global_changes(fresh: Build) -> None:
    from transformers.utils import logging as transformers_logging

    state, verbosity = torch.get_rng_state(), transformers_logging.get_verbosity()
    bars = transformers_logging.is_progress_bar_enabled()
    generator = fresh("lcm")
    generator.synthesize(latents_of(generator, 1))
    assert torch.equal(torch.get_rng_state(), state)
    assert transformers_logging.get_verbosity() == verbosity
    assert transformers_logging.is_progress_bar_enabled() == bars
    assert torch.is_grad_enabled()


def test_nothing_is_printed(fresh: Build, capfd: pytest.CaptureFixture[str]) -> None:
    generator = fresh("xl")
    generator.synthesize(latents_of(generator, 1))
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("shape", [(256,), (2, 255), (1, 4, 8, 8)])
def test_latents_of_another_shape_are_refused(built: Build, shape: tuple[int, ...]) -> None:
    with pytest.raises(GeneratorError, match=r"expected latents \(count, 256\), got"):
        built("sd").synthesize(torch.zeros(shape))


def test_latents_that_are_not_finite_are_refused(built: Build) -> None:
    with pytest.raises(GeneratorError, match="expected finite latents"):
        built("sd").synthesize(torch.full((1, 256), float("inf")))


def test_memory_that_runs_out_halves_the_batch(
    built: Build, fresh: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    generator = fresh("lcm", batch_size=4)
    latents = latents_of(generator, 3)
    single = built("lcm").synthesize(latents)
    pipeline = generator._pipeline  # type: ignore[attr-defined]
    draw, asked, fits = pipeline.draw, [], 1

    def crowded(noise: Tensor) -> Tensor:
        asked.append(len(noise))
        if len(noise) > fits:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return draw(noise)

    monkeypatch.setattr(pipeline, "draw", crowded)
    assert torch.equal(generator.synthesize(latents), single)
    # Of at most four, then of two, then one by one.
    assert asked == [3, 2, 1, 1, 1]
    fits = 0
    with pytest.raises(GeneratorError, match=r"not fit into memory; .*diffusers\.dtype.*TAESD"):
        generator.synthesize(latents)


def test_memory_that_does_not_hold_the_networks_is_said(
    fresh: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr("diffusers.StableDiffusionPipeline.to", full)
    with pytest.raises(GeneratorError, match=r"does not hold the networks; .*diffusers\.dtype"):
        fresh("sd")


def test_images_that_are_not_finite_are_refused(fresh: Build, copied: Path) -> None:
    file = copied / "vae" / "diffusion_pytorch_model.safetensors"
    weights = load_file(file)
    weights["decoder.conv_out.bias"].fill_(float("nan"))
    save_file(weights, file)
    generator = fresh(copied)
    with pytest.raises(GeneratorError, match=r"not finite.*diffusers\.dtype=bfloat16"):
        generator.synthesize(torch.zeros(1, 256))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("kind", KINDS)
def test_a_gpu_draws_the_same_images(
    built: Build, pipelines: Path, config: dict[str, Any], kind: str
) -> None:
    from generators.build import build

    single = {**config, "diffusers.dtype": "float32"}
    on_gpu = build(f"diffusers:{pipelines / kind}", single, torch.device("cuda"))
    generator = built(kind)
    latents = latents_of(generator, 4)
    assert torch.equal(latents_of(on_gpu, 4).cpu(), latents)
    difference = on_gpu.synthesize(latents).int() - generator.synthesize(latents).int()
    assert int(difference.abs().max()) <= 3
