"""What a folder says of itself, and what it leaves open: decided and told, or refused by name."""

import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from generators.__main__ import main
from strategies.common.errors import GeneratorError, NectarError, SettingsError
from strategies.common.image_generator import ImageGenerator

Build = Callable[..., ImageGenerator]

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def rewrite(file: Path, **changes: Any) -> None:
    """Change entries of a configuration; ``...`` takes one out."""
    held = {**json.loads(file.read_text()), **changes}
    file.write_text(json.dumps({key: value for key, value in held.items() if value is not ...}))


def parts(sample_size: Any = 8, scaling_factor: Any = 1.0) -> Any:
    """Stand for a pipeline, of which sizes are read alone."""
    unet = SimpleNamespace(in_channels=4, out_channels=4, sample_size=sample_size)
    vae = SimpleNamespace(latent_channels=4, scaling_factor=scaling_factor)
    held = {"unet": SimpleNamespace(config=unet), "vae": SimpleNamespace(config=vae)}
    return SimpleNamespace(**held, vae_scale_factor=8)


def with_scheduler(folder: Path, kind: str, **config: Any) -> Path:
    """Give a folder another scheduler, saved as diffusers saves it."""
    import diffusers

    getattr(diffusers, kind)(**config).save_pretrained(folder / "scheduler")
    rewrite(folder / "model_index.json", scheduler=["diffusers", kind])
    return folder


@pytest.mark.parametrize(
    ("kind", "config"),
    [
        ("HeunDiscreteScheduler", {}),
        ("UniPCMultistepScheduler", {}),
        (
            "UniPCMultistepScheduler",
            {"use_flow_sigmas": True, "prediction_type": "flow_prediction"},
        ),
        ("DDPMScheduler", {"prediction_type": "sample", "clip_sample": False}),
        ("DPMSolverSinglestepScheduler", {}),
        ("EDMEulerScheduler", {}),
    ],
)
def test_an_unknown_scheduler_is_used_as_it_is(
    copied: Path, fresh: Build, kind: str, config: dict[str, Any]
) -> None:
    generator = fresh(with_scheduler(copied, kind, **config), steps=2, guidance=1.0)
    pipe = generator._pipeline._pipe  # type: ignore[attr-defined]
    assert type(pipe.scheduler).__name__ == kind
    assert all(pipe.scheduler.config[key] == value for key, value in config.items())
    assert generator.decisions["sampler"] == f"{kind} (the folder's own)"
    expected = config.get("prediction_type", "epsilon")
    assert generator.decisions["prediction type"].startswith(f"{expected} (")
    images = generator.synthesize(torch.randn(1, 256))
    assert images.shape == (1, 3, 16, 16)


@pytest.mark.parametrize(
    ("kind", "config", "told"),
    [
        ("FlowMatchEulerDiscreteScheduler", {}, "init_noise_sigma.*flow_prediction"),
        ("FlowMatchEulerDiscreteScheduler", {"use_dynamic_shifting": True}, "cannot take 10.*mu"),
        ("VQDiffusionScheduler", {"num_vec_classes": 4}, "VQDiffusionScheduler"),
        ("DDIMInverseScheduler", {}, "leads from pictures to noise"),
        ("DDIMScheduler", {"prediction_type": "velocity"}, "prediction_type given as velocity"),
        ("UniPCMultistepScheduler", {"timestep_spacing": "odd"}, "odd"),
    ],
)
def test_a_scheduler_that_the_pipeline_cannot_take_is_refused_by_name(
    copied: Path, fresh: Build, kind: str, config: dict[str, Any], told: str
) -> None:
    folder = with_scheduler(copied, kind, **config)
    with pytest.raises(NectarError, match=rf"(?s){told}") as found:
        fresh(folder, steps=10, guidance=1.0, sampler="own")
    assert kind in str(found.value)


def test_a_scheduler_that_draws_noise_of_its_own_is_refused(
    copied: Path, fresh: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    from diffusers import HeunDiscreteScheduler

    step = HeunDiscreteScheduler.step

    def noisy(self: Any, model_output: Any, timestep: Any, sample: Any, return_dict: bool = True):
        (moved,) = step(self, model_output, timestep, sample, return_dict=False)[:1]
        return (moved + torch.randn_like(moved),)

    monkeypatch.setattr(HeunDiscreteScheduler, "step", noisy)
    folder = with_scheduler(copied, "HeunDiscreteScheduler")
    with pytest.raises(GeneratorError, match="follows a seed, got HeunDiscreteScheduler"):
        fresh(folder, steps=2)


def test_what_diffusers_alters_is_told(copied: Path, fresh: Build) -> None:
    folder = with_scheduler(copied, "DDIMScheduler", steps_offset=0, clip_sample=True)
    told = fresh(folder, steps=2).decisions["altered by diffusers"]
    assert told == (
        "scheduler's clip_sample from True to False, scheduler's steps_offset from 0 to 1"
    )


def test_a_scheduler_file_of_another_class_is_told(copied: Path, fresh: Build) -> None:
    rewrite(copied / "model_index.json", scheduler=["diffusers", "HeunDiscreteScheduler"])
    told = fresh(copied, steps=2).decisions["sampler"]
    assert told == (
        "HeunDiscreteScheduler (the folder's own, by model_index.json; its configuration is "
        "DDIMScheduler's)"
    )


def test_a_unet_that_does_not_say_its_size_is_refused_with_the_setting(
    copied: Path, fresh: Build
) -> None:
    rewrite(copied / "unet" / "config.json", sample_size=...)
    told = r"unet/config\.json: expected sample_size .*got None; set diffusers\.image-size"
    with pytest.raises(GeneratorError, match=told):
        fresh(copied)


@pytest.mark.parametrize("size", [0, -8, "64", [8], [8, 0], 8.5, True])
def test_a_size_that_is_none_is_refused(size: Any) -> None:
    from generators.diffusers.geometry import latent_shape

    with pytest.raises(GeneratorError, match=r"expected sample_size to be the side"):
        latent_shape(Path("folder"), parts(sample_size=size), 0)


def test_a_latent_may_be_wider_than_high() -> None:
    from generators.diffusers.geometry import latent_shape

    assert latent_shape(Path("folder"), parts(sample_size=[8, 16]), 0)[0] == (4, 8, 16)


def test_a_size_is_set_where_the_unet_does_not_say_it(copied: Path, fresh: Build) -> None:
    rewrite(copied / "unet" / "config.json", sample_size=...)
    generator = fresh(copied, image_size=24)
    assert generator.latent_dim == 4 * 12 * 12
    assert generator.synthesize(torch.zeros(1, 576)).shape == (1, 3, 24, 24)
    assert generator.decisions["latent"] == "4 x 12 x 12 (setting diffusers.image-size)"
    with pytest.raises(SettingsError, match=r"image-size: expected 0 or a multiple of 8.*got 20"):
        fresh(copied, image_size=20)


@pytest.mark.parametrize("factor", [0, -1, "0.18", None, float("nan"), float("inf"), True])
def test_a_scaling_factor_that_is_none_is_refused(factor: Any) -> None:
    from generators.diffusers.geometry import scaling_factor

    with pytest.raises(GeneratorError, match=r"vae/config\.json: expected scaling_factor to be"):
        scaling_factor(Path("vae"), parts(scaling_factor=factor), told=True)


def test_a_missing_scaling_factor_is_told_or_refused(
    copied: Path, pipelines: Path, tmp_path: Path, fresh: Build
) -> None:
    import shutil

    rewrite(copied / "vae" / "config.json", scaling_factor=...)
    told = fresh(copied).decisions["scaling factor"]
    assert told == "0.18215 (default of AutoencoderKL: its config.json does not say)"
    large = Path(shutil.copytree(pipelines / "xl", tmp_path / "xl"))
    rewrite(large / "vae" / "config.json", scaling_factor=...)
    with pytest.raises(GeneratorError, match=r"expected scaling_factor, got none.*0\.13025"):
        fresh(large)


def test_a_text_encoder_of_another_width_is_refused(copied: Path, fresh: Build) -> None:
    from benchmarks.random_pipelines import Geometry, save

    other = save("sd", copied.parent / "other", Geometry(text_width=16))
    for part in ("config.json", "model.safetensors"):
        (copied / "text_encoder" / part).write_bytes((other / "text_encoder" / part).read_bytes())
    with pytest.raises(GeneratorError, match=r"expected text of width 32, .*got 16 from the text"):
        fresh(copied)


@pytest.mark.thorough
@pytest.mark.parametrize("part", ["unet", "vae", "text_encoder"])
def test_no_entry_of_a_configuration_ends_in_another_librarys_words(
    copied: Path, fresh: Build, part: str
) -> None:
    file = copied / part / "config.json"
    whole = file.read_text()
    for key in json.loads(whole):
        # A default may do where an entry is missing; what is no value at all does rarely.
        rewrite(file, **{key: {"no": "value"}})
        # Anything but an error of ours comes out of here.
        with suppress(NectarError):
            fresh(copied, steps=1, guidance=1.0)
        file.write_text(whole)


@pytest.mark.thorough
def test_a_file_less_is_never_told_in_another_librarys_words(copied: Path, fresh: Build) -> None:
    for file in sorted(path for path in copied.rglob("*") if path.is_file()):
        kept = file.read_bytes()
        file.unlink()
        with suppress(NectarError):
            fresh(copied, steps=1, guidance=1.0)
        file.write_bytes(kept)


def test_preview_says_sampler_steps_guidance_prediction_type_and_why(
    pipelines: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--count", "1", "--set", "diffusers.steps=1", "--out", str(tmp_path / "x.png")]
    assert main(["preview", f"diffusers:{pipelines / 'sd'}", *options]) == 0
    told = capsys.readouterr().out
    for line in (
        "sampler: DPMSolverMultistepScheduler (default in place of DDIMScheduler, the folder's "
        "own)",
        "steps: 1 (setting diffusers.steps)",
        "guidance: 7.5 (default for StableDiffusionPipeline)",
        "prediction type: epsilon (scheduler/scheduler_config.json)",
        "latent: 4 x 8 x 8 (sample_size of unet/config.json)",
    ):
        assert f"{line}\n" in told
