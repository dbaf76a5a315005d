"""Sampler, steps and guidance by pipeline."""

from types import SimpleNamespace
from typing import Any

import pytest

from generators.diffusers.settings import DiffusersSettings
from strategies.common.errors import SettingsError
from strategies.common.run_config import read_table

SD, XL = "StableDiffusionPipeline", "StableDiffusionXLPipeline"
LCM = "LatentConsistencyModelPipeline"
TRAILING = {"timestep_spacing": "trailing"}

# How numpy reads the tensors of a noise schedule is between the libraries.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@pytest.fixture(scope="module")
def sampling() -> Any:
    """Return the module, whose library would cost every worker seconds before the first test."""
    from generators.diffusers import sampling

    return sampling


def unet(time_cond_proj_dim: int | None = None) -> Any:
    return SimpleNamespace(config=SimpleNamespace(time_cond_proj_dim=time_cond_proj_dim))


def settings(config: dict[str, Any], **overrides: Any) -> DiffusersSettings:
    changes = {f"diffusers.{key}": value for key, value in overrides.items()}
    return read_table({**config, **changes}, "diffusers", DiffusersSettings)


@pytest.mark.parametrize(
    ("pipeline", "kind", "options", "embedding", "expected"),
    [
        # As the published pipelines are: SD 1.5, SDXL, LCM Dreamshaper, SDXL with a distilled
        # UNet, SD 1.5 with a LoRA melted in.
        (SD, "PNDM", {"skip_prk_steps": True}, None, ("dpm", 10, 7.5)),
        (XL, "EulerDiscrete", {}, None, ("dpm", 10, 5.0)),
        (LCM, "LCM", {}, 256, ("own", 4, 8.0)),
        (XL, "LCM", {}, 256, ("own", 4, 8.0)),
        (SD, "LCM", {}, None, ("own", 4, 1.0)),
        (XL, "TCD", {}, None, ("own", 4, 1.0)),
        # Not known here, so that they stay, with what diffusers itself takes.
        (SD, "HeunDiscrete", {}, None, ("own", 50, 7.5)),
        (XL, "UniPCMultistep", {"prediction_type": "v_prediction"}, None, ("own", 50, 5.0)),
        (SD, "DPMSolverMultistep", {}, None, ("own", 50, 7.5)),
        (SD, "DDIM", TRAILING, None, ("own", 50, 7.5)),
        (SD, "FlowMatchEulerDiscrete", {}, None, ("own", 50, 7.5)),
    ],
)
def test_what_suits_a_published_pipeline(
    sampling: Any,
    pipeline: str,
    kind: str,
    options: dict[str, Any],
    embedding: int | None,
    expected: tuple[str, int, float],
) -> None:
    import diffusers

    scheduler = getattr(diffusers, f"{kind}Scheduler")(**options)
    found = sampling.suiting(pipeline, scheduler, unet(embedding))
    assert found == sampling.Sampling(*expected)


@pytest.mark.parametrize("kind", ["EulerDiscrete", "EulerAncestralDiscrete"])
def test_euler_with_trailing_spacing_is_not_taken_for_turbo(
    sampling: Any, config: dict[str, Any], kind: str
) -> None:
    import diffusers

    own = getattr(diffusers, f"{kind}Scheduler")(**TRAILING)
    for overrides, named in (
        ({}, r"setting diffusers\.steps and diffusers\.guidance"),
        ({"steps": 4}, r"setting diffusers\.guidance"),
        ({"guidance": 1.0}, r"setting diffusers\.steps"),
    ):
        told = rf"{named}: expected a value, .*{kind}.* SD-Turbo .*SDXL-Lightning 2, 4 or 8"
        with pytest.raises(SettingsError, match=told):
            sampling.choose(settings(config, **overrides), XL, own, unet())
    said = sampling.choose(settings(config, steps=4, guidance=1.0), XL, own, unet())
    assert said == sampling.Sampling("own", 4, 1.0)
    # A hub id is certain, where a folder's name is not.
    turbo = sampling.choose(settings(config), XL, own, unet(), "stabilityai/SDXL-Turbo")
    assert turbo == sampling.Sampling("own", 1, 1.0)
    assert "as published with stabilityai/SDXL-Turbo" in turbo.reasons


def test_every_choice_says_why(sampling: Any, config: dict[str, Any]) -> None:
    import diffusers

    found = sampling.choose(settings(config, steps=3), SD, diffusers.PNDMScheduler(), unet())
    sampler, steps, guidance = found.reasons
    assert sampler == "default in place of PNDMScheduler, the folder's own"
    assert steps == "setting diffusers.steps"
    assert guidance == "default for StableDiffusionPipeline"


def test_the_prediction_type_is_told_with_where_it_stands(sampling: Any) -> None:
    import diffusers

    own = diffusers.DDIMScheduler(prediction_type="v_prediction")
    plain = sampling.build_scheduler(sampling.Sampling("dpm", 10, 1.0), own)
    assert plain.config.prediction_type == "v_prediction"
    told = sampling.prediction_type(plain, {"prediction_type": "v_prediction"})
    assert told == "v_prediction (scheduler/scheduler_config.json)"
    assert "does not say" in sampling.prediction_type(diffusers.DDIMScheduler(), {})
    flow = diffusers.FlowMatchEulerDiscreteScheduler()
    assert "it knows no other" in sampling.prediction_type(flow, {})


@pytest.mark.parametrize("kind", ["FlowMatchEulerDiscrete", "EDMEuler", "IPNDM"])
def test_a_schedule_that_cannot_be_taken_over_is_refused(sampling: Any, kind: str) -> None:
    import diffusers

    own = getattr(diffusers, f"{kind}Scheduler")()
    with pytest.raises(SettingsError, match=rf"expected auto or own, since {kind}.*got 'dpm'"):
        sampling.build_scheduler(sampling.Sampling("dpm", 10, 1.0), own)


def test_a_scheduler_that_leads_to_noise_is_refused(sampling: Any) -> None:
    import diffusers

    with pytest.raises(SettingsError, match=r"DDIMInverseScheduler, .* from pictures to noise"):
        sampling.build_scheduler(sampling.Sampling("own", 4, 1.0), diffusers.DDIMInverseScheduler())


def test_the_settings_have_the_last_word(sampling: Any, config: dict[str, Any]) -> None:
    import diffusers

    own = diffusers.DDIMScheduler()
    chosen = settings(config, sampler="euler", steps=3, guidance=2.0)
    assert sampling.choose(chosen, SD, own, unet()) == sampling.Sampling("euler", 3, 2.0)
    assert sampling.choose(settings(config, steps=3), SD, own, unet()) == sampling.Sampling(
        "dpm", 3, 7.5
    )


def test_a_consistency_pipeline_takes_no_other_sampler(
    sampling: Any, config: dict[str, Any]
) -> None:
    import diffusers

    own = diffusers.LCMScheduler()
    with pytest.raises(SettingsError, match=r"diffusers\.sampler: expected auto, own or lcm"):
        sampling.choose(settings(config, sampler="ddim"), LCM, own, unet(256))
    assert sampling.choose(settings(config, sampler="lcm"), LCM, own, unet(256)).sampler == "lcm"


@pytest.mark.parametrize("sampler", ["ddim", "dpm", "euler"])
def test_few_steps_start_at_the_noisiest_one(sampling: Any, sampler: str) -> None:
    import diffusers

    published = diffusers.PNDMScheduler(
        beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012, steps_offset=1
    )
    scheduler = sampling.build_scheduler(sampling.Sampling(sampler, 4, 1.0), published)
    # 1000 steps in four equal parts, each from its end.
    assert [round(float(step)) for step in scheduler.timesteps] == [999, 749, 499, 249]
    # The noise schedule is the published one.
    assert scheduler.config.beta_end == 0.012
    assert not scheduler.config.get("clip_sample", False)


def test_the_own_sampler_is_left_alone(sampling: Any) -> None:
    import diffusers

    published = diffusers.DDIMScheduler(timestep_spacing="leading", clip_sample=False)
    scheduler = sampling.build_scheduler(sampling.Sampling("own", 4, 1.0), published)
    assert scheduler is published
    assert scheduler.timesteps.tolist() == [750, 500, 250, 0]


def test_too_many_steps_are_refused(sampling: Any) -> None:
    import diffusers

    # Distilled from 50 steps: there are no more to choose from.
    with pytest.raises(SettingsError, match=r"diffusers\.steps: LCMScheduler cannot take 51"):
        sampling.build_scheduler(sampling.Sampling("own", 51, 1.0), diffusers.LCMScheduler())
