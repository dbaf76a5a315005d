"""Folders that hold no pipeline to draw with."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from generators.diffusers.folder import only_half, read_folder, read_vae_class
from strategies.common.errors import GeneratorError


def rewrite(folder: Path, **changes: Any) -> Path:
    """Change entries of the index."""
    file = folder / "model_index.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))
    return folder


def test_a_whole_folder_is_described(pipelines: Path) -> None:
    found = read_folder(pipelines / "xl", with_vae=True)
    assert found.pipeline == "StableDiffusionXLPipeline"
    assert found.scheduler == "EulerDiscreteScheduler"
    assert found.parts == {
        "unet": "UNet2DConditionModel",
        "vae": "AutoencoderKL",
        "text_encoder": "CLIPTextModel",
        "tokenizer": "CLIPTokenizer",
        "text_encoder_2": "CLIPTextModelWithProjection",
        "tokenizer_2": "CLIPTokenizer",
    }
    assert found.zero_empty_prompt


def test_a_folder_without_an_index_is_refused(copied: Path) -> None:
    (copied / "model_index.json").unlink()
    with pytest.raises(GeneratorError, match=r"copy: expected the folder of a diffusers pipeline"):
        read_folder(copied, with_vae=True)


@pytest.mark.parametrize("text", ["", "{", "[]", "3", "\ud800".encode("utf-16", "surrogatepass")])
def test_an_index_that_is_none_is_refused(copied: Path, text: str | bytes) -> None:
    data = text if isinstance(text, bytes) else text.encode()
    (copied / "model_index.json").write_bytes(data)
    with pytest.raises(GeneratorError, match=r"model_index\.json"):
        read_folder(copied, with_vae=True)


@pytest.mark.parametrize(
    "name",
    [
        "TextToVideoSDPipeline",
        "StableDiffusionImg2ImgPipeline",
        "StableDiffusionXLInpaintPipeline",
        "FluxPipeline",
        ["pipeline", "MyPipeline"],
        None,
    ],
)
def test_another_kind_of_pipeline_is_refused(copied: Path, name: Any) -> None:
    with pytest.raises(GeneratorError, match=r"from text to image, one of StableDiff.*; got"):
        read_folder(rewrite(copied, _class_name=name), with_vae=True)


@pytest.mark.parametrize(
    ("part", "entry"),
    [
        ("unet", ["os", "system"]),
        ("unet", ["my_module", "UNet2DConditionModel"]),
        ("unet", ["diffusers", "UNet3DConditionModel"]),
        ("unet", [None, None]),
        ("unet", "diffusers"),
        ("vae", ["diffusers", "AutoencoderKLWan"]),
        ("text_encoder", ["transformers", "T5EncoderModel"]),
        ("tokenizer", ["transformers", "AutoTokenizer"]),
        ("scheduler", ["my_module", "DDIMScheduler"]),
        ("scheduler", ["diffusers", "DiffusionPipeline"]),
        ("scheduler", None),
    ],
)
def test_a_foreign_class_is_refused(copied: Path, part: str, entry: Any) -> None:
    with pytest.raises(GeneratorError, match=rf"model_index\.json: {part}: expected .*never load"):
        read_folder(rewrite(copied, **{part: entry}), with_vae=True)


def test_a_fast_tokenizer_is_the_same(copied: Path) -> None:
    folder = rewrite(copied, tokenizer=["transformers", "CLIPTokenizerFast"])
    assert read_folder(folder, with_vae=True).parts["tokenizer"] == "CLIPTokenizer"


@pytest.mark.parametrize("part", ["unet", "vae", "text_encoder"])
def test_pickled_weights_are_refused_with_how_to_convert_them(copied: Path, part: str) -> None:
    (weights,) = (copied / part).glob("*.safetensors")
    weights.rename(weights.with_suffix(".bin"))
    with pytest.raises(GeneratorError, match=rf"{part}: .*\.bin, which could run.*save_pretrained"):
        read_folder(copied, with_vae=True)


def test_missing_weights_are_refused(copied: Path) -> None:
    shutil.rmtree(copied / "unet")
    with pytest.raises(GeneratorError, match=r"unet: expected weights as safetensors, got none"):
        read_folder(copied, with_vae=True)


def test_an_own_decoder_may_be_missing_where_another_is_used(copied: Path) -> None:
    shutil.rmtree(copied / "vae")
    assert "vae" not in read_folder(copied, with_vae=False).parts


def test_a_tokenizer_without_words_is_refused(copied: Path) -> None:
    (copied / "tokenizer" / "tokenizer.json").unlink()
    with pytest.raises(GeneratorError, match=r"tokenizer: expected tokenizer\.json, or vocab"):
        read_folder(copied, with_vae=True)


def test_half_a_vocabulary_is_refused(copied: Path) -> None:
    (copied / "tokenizer" / "tokenizer.json").rename(copied / "tokenizer" / "vocab.json")
    with pytest.raises(GeneratorError, match=r"vocab\.json and merges\.txt, got vocab\.json;"):
        read_folder(copied, with_vae=True)


def test_what_is_no_switch_is_refused(copied: Path) -> None:
    with pytest.raises(GeneratorError, match=r"force_zeros_for_empty_prompt: expected true or "):
        read_folder(rewrite(copied, force_zeros_for_empty_prompt="false"), with_vae=True)


@pytest.mark.parametrize("text", [None, "[]", "{"])
def test_a_scheduler_without_a_configuration_is_refused(copied: Path, text: str | None) -> None:
    file = copied / "scheduler" / "scheduler_config.json"
    file.unlink()
    if text is not None:
        file.write_text(text)
    with pytest.raises(GeneratorError, match=r"copy/scheduler"):
        read_folder(copied, with_vae=True)


def test_weights_for_half_precision_alone_are_told_apart(copied: Path) -> None:
    unet = copied / "unet"
    assert not only_half(unet)
    (unet / "diffusion_pytorch_model.safetensors").rename(
        unet / "diffusion_pytorch_model.fp16.safetensors"
    )
    assert only_half(unet)


def test_a_decoder_of_another_class_is_refused(pipelines: Path, copied: Path) -> None:
    assert read_vae_class(pipelines / "taesd") == "AutoencoderTiny"
    assert read_vae_class(pipelines / "sd" / "vae") == "AutoencoderKL"
    with pytest.raises(GeneratorError, match=r"vae: .*expected one of AutoencoderKL, Auto.*UNet2D"):
        read_vae_class(pipelines / "sd" / "unet")
    (copied / "vae" / "diffusion_pytorch_model.safetensors").unlink()
    with pytest.raises(GeneratorError, match="expected weights as safetensors, got none"):
        read_vae_class(copied / "vae")


def test_files_in_a_folder_run_nothing(copied: Path, fresh: Callable[..., Any]) -> None:
    # Where diffusers and transformers look for code when they are told to trust it.
    trap = f"open({str(copied / 'ran')!r}, 'w')\nclass UNet2DConditionModel: pass\n"
    for file in ("pipeline.py", "unet/unet.py", "unet/modeling.py", "text_encoder/modeling.py"):
        (copied / file).write_text(trap)
    config = copied / "text_encoder" / "config.json"
    told = {**json.loads(config.read_text()), "auto_map": {"AutoModel": "modeling.Model"}}
    config.write_text(json.dumps(told))
    fresh(copied)
    assert not (copied / "ran").exists()
