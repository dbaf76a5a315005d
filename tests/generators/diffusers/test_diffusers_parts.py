"""Damaged parts of a pipeline."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from strategies.common.errors import GeneratorError
from strategies.common.image_generator import ImageGenerator

UNET = "UNet2DConditionModel"
TEXT = "CLIPTextModel"


@pytest.fixture(scope="module")
def parts() -> Any:
    """Return the module, whose library would cost every worker seconds before the first test."""
    from generators.diffusers import parts

    return parts


def weights_of(part: Path) -> Path:
    (file,) = part.glob("*.safetensors")
    return file


def change(part: Path, edit: Callable[[dict[str, Tensor]], object]) -> Path:
    file = weights_of(part)
    weights = load_file(file)
    edit(weights)
    save_file(weights, file, metadata={"format": "pt"})
    return part


@pytest.mark.parametrize(("part", "kind"), [("unet", UNET), ("text_encoder", TEXT)])
@pytest.mark.parametrize("kept", [0, 4, 3000])
def test_a_truncated_file_is_refused(
    parts: Any, copied: Path, part: str, kind: str, kept: int
) -> None:
    file = weights_of(copied / part)
    file.write_bytes(file.read_bytes()[:kept])
    with pytest.raises(GeneratorError, match=rf"{part}: cannot be read as {kind}: .*again"):
        parts.read_network(copied / part, kind, torch.float32)


@pytest.mark.parametrize(
    ("part", "kind", "key"),
    [
        ("unet", UNET, "conv_in.weight"),
        ("vae", "AutoencoderKL", "decoder.conv_out.bias"),
        ("text_encoder", TEXT, "embeddings.position_embedding.weight"),
    ],
)
def test_a_missing_weight_is_refused(
    parts: Any, copied: Path, part: str, kind: str, key: str
) -> None:
    change(copied / part, lambda weights: weights.pop(key))
    with pytest.raises(GeneratorError, match=rf"{part}: expected all weights .* 1 are .*{key}"):
        parts.read_network(copied / part, kind, torch.float32)


@pytest.mark.parametrize(
    ("part", "kind", "key"),
    [
        ("unet", UNET, "conv_in.weight"),
        ("text_encoder", TEXT, "embeddings.position_embedding.weight"),
    ],
)
def test_a_weight_of_another_shape_is_refused(
    parts: Any, copied: Path, part: str, kind: str, key: str
) -> None:
    change(copied / part, lambda weights: weights.update({key: torch.zeros(3, 3)}))
    with pytest.raises(GeneratorError, match=rf"{part}: cannot be read as {kind}"):
        parts.read_network(copied / part, kind, torch.float32)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"vocab_size": "many"}'])
def test_a_bad_config_is_refused(parts: Any, copied: Path, text: str) -> None:
    (copied / "text_encoder" / "config.json").write_text(text)
    with pytest.raises(GeneratorError, match="text_encoder: cannot be read as CLIPTextModel"):
        parts.read_network(copied / "text_encoder", TEXT, torch.float32)


def test_a_bad_tokenizer_is_refused(parts: Any, copied: Path) -> None:
    (copied / "tokenizer" / "tokenizer.json").write_text("{}")
    with pytest.raises(GeneratorError, match="tokenizer: cannot be read as CLIPTokenizer"):
        parts.read_tokenizer(copied / "tokenizer", "CLIPTokenizer")


def test_an_unknown_or_missing_scheduler_is_refused(parts: Any, copied: Path) -> None:
    with pytest.raises(GeneratorError, match=r"diffusers [\d.]+ has no NewScheduler; update"):
        parts.read_scheduler(copied / "scheduler", "NewScheduler")
    (copied / "scheduler" / "scheduler_config.json").unlink()
    with pytest.raises(GeneratorError, match="scheduler: cannot be read as DDIMScheduler"):
        parts.read_scheduler(copied / "scheduler", "DDIMScheduler")


def test_weights_for_half_precision_alone_are_read(
    copied: Path, fresh: Callable[..., ImageGenerator]
) -> None:
    latents = torch.randn(1, 256, generator=torch.Generator().manual_seed(0))
    images = fresh(copied).synthesize(latents)
    for part in ("unet", "text_encoder"):
        file = weights_of(copied / part)
        file.rename(file.with_suffix(".fp16.safetensors"))
    assert torch.equal(fresh(copied).synthesize(latents), images)


def test_files_as_they_were_published_years_ago_are_read(
    copied: Path, fresh: Callable[..., ImageGenerator]
) -> None:
    latents = torch.randn(1, 256, generator=torch.Generator().manual_seed(0))
    images = fresh(copied).synthesize(latents)

    def older_text(weights: dict[str, Tensor]) -> None:
        for key in list(weights):
            weights[f"text_model.{key}"] = weights.pop(key)
        weights["text_model.embeddings.position_ids"] = torch.arange(16)[None]

    def older_attention(weights: dict[str, Tensor]) -> None:
        for old, new in (
            ("query", "to_q"),
            ("key", "to_k"),
            ("value", "to_v"),
            ("proj_attn", "to_out.0"),
        ):
            for key in [key for key in weights if f".attentions.0.{new}." in key]:
                weights[key.replace(new, old)] = weights.pop(key)

    change(copied / "text_encoder", older_text)
    change(copied / "vae", older_attention)
    assert "decoder.mid_block.attentions.0.query.weight" in load_file(weights_of(copied / "vae"))
    tokenizer = copied / "tokenizer"
    vocabulary = json.loads((tokenizer / "tokenizer.json").read_text())["model"]["vocab"]
    (tokenizer / "tokenizer.json").unlink()
    (tokenizer / "vocab.json").write_text(json.dumps(vocabulary))
    (tokenizer / "merges.txt").write_text("#version: 0.2\n")
    assert torch.equal(fresh(copied).synthesize(latents), images)


def test_a_unet_that_changes_a_given_image_is_refused(
    copied: Path, fresh: Callable[..., ImageGenerator]
) -> None:
    config = copied / "unet" / "config.json"
    # Inpainting takes noise, mask and image: 4 + 1 + 4 channels.
    config.write_text(config.read_text().replace('"in_channels": 4', '"in_channels": 9'))
    change(copied / "unet", lambda weights: weights.update({"conv_in.weight": _ones(4, 9, 3, 3)}))
    with pytest.raises(GeneratorError, match=r"expected a UNet from noise of 4 .*got 9 to 4"):
        fresh(copied)


def test_a_decoder_of_other_latents_is_refused(
    tmp_path: Path, fresh: Callable[..., ImageGenerator]
) -> None:
    from benchmarks.random_pipelines import save_tiny_vae

    vae = save_tiny_vae(tmp_path / "vae", latent_channels=16)
    with pytest.raises(GeneratorError, match=r"noise of 16 channels, as the decoder .*got 4 to 4"):
        fresh("sd", vae=str(vae))


def test_a_decoder_of_another_scale_sets_the_size(
    tmp_path: Path, fresh: Callable[..., ImageGenerator]
) -> None:
    # Four times the size of the latent rather than twice: 8 becomes 32.
    from benchmarks.random_pipelines import save_tiny_vae

    vae = save_tiny_vae(tmp_path / "vae", resolutions=3)
    generator = fresh("sd", vae=str(vae))
    assert generator.image_shape == (3, 32, 32)
    assert generator.synthesize(torch.zeros(1, 256)).shape == (1, 3, 32, 32)


def test_a_decoder_that_draws_another_size_than_it_says_is_refused(
    tmp_path: Path, fresh: Callable[..., ImageGenerator]
) -> None:
    from benchmarks.random_pipelines import save_tiny_vae

    vae = save_tiny_vae(tmp_path / "vae")
    config = vae / "config.json"
    told = config.read_text().replace(
        '"upsampling_scaling_factor": 2', '"upsampling_scaling_factor": 4'
    )
    config.write_text(told)
    with pytest.raises(GeneratorError, match=r"expected pictures \(3, 16, 16\) .*\(3, 32, 32\)"):
        fresh("sd", vae=str(vae)).synthesize(torch.zeros(1, 256))


def _ones(*shape: int) -> Tensor:
    return torch.ones(shape)
