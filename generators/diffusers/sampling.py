"""Sampler, steps and guidance of a pipeline, and why each was chosen.

The latent is the noise that sampling starts from, so a few-step sampler has to begin at the
noisiest time step: "trailing" spacing in Lin et al., "Common Diffusion Noise Schedules and
Sample Steps are Flawed", WACV 2024, https://arxiv.org/abs/2305.08891, section 3.3.

A scheduler takes the place of the folder's own only where that is one that plain Stable
Diffusion is published with. Any other stays as it is, whatever it is called.
"""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, final

import diffusers

from generators.diffusers.settings import DiffusersSettings
from strategies.common.errors import SettingsError

_TRAILING = {"timestep_spacing": "trailing"}
# DDIM would cut latents off at 1 unless told that they are no pixels.
_SAMPLERS: dict[str, tuple[str, dict[str, Any]]] = {
    "ddim": ("DDIMScheduler", {**_TRAILING, "clip_sample": False}),
    "dpm": ("DPMSolverMultistepScheduler", {**_TRAILING, "algorithm_type": "dpmsolver++"}),
    "euler": ("EulerDiscreteScheduler", _TRAILING),
    "lcm": ("LCMScheduler", {"clip_sample": False}),
}
# What a noise schedule is made of; another scheduler can take it over where all of it is told.
_SCHEDULE = ("num_train_timesteps", "beta_start", "beta_end", "beta_schedule", "prediction_type")
_OWN: Final = "the folder's own"


@final
@dataclass(frozen=True)
class Sampling:
    """How noise becomes an image.

    Attributes
    ----------
    sampler : str
        As in the settings, but never ``"auto"``.
    steps : int
        At least 1; 0 where nothing tells it.
    guidance : float
        Up to 1 is without; 0 where nothing tells it.
    reasons : tuple[str, str, str]
        Why each of them.
    """

    sampler: str
    steps: int
    guidance: float
    reasons: tuple[str, str, str] = field(default=("", "", ""), compare=False)


# As published with the weights: one step and no guidance for the Turbo models; 4 steps and a
# guidance of 8 that is an input of the UNet for latent consistency models, none where their
# weights came as a LoRA. DPM-Solver++ needs "around 10 steps" by the title of its paper.
_TURBO = ("stabilityai/sd-turbo", "stabilityai/sdxl-turbo")
_DISTILLED = ("LCMScheduler", "TCDScheduler")
_PLAIN = ("DDIMScheduler", "EulerDiscreteScheduler", "PNDMScheduler")
_USUAL_GUIDANCE = 7.5
_USUAL_GUIDANCE_XL = 5.0


def suiting(pipeline: str, scheduler: Any, unet: Any, source: str = "") -> Sampling:
    """Return what suits a pipeline, from what its parts say of themselves.

    Parameters
    ----------
    pipeline : str
        Class of the pipeline.
    scheduler : SchedulerMixin
        As published.
    unet : UNet2DConditionModel
        Takes the guidance as an input if it has ``time_cond_proj_dim``.
    source : str
        The hub id, where it came from the hub; of a folder nothing is known by its name.

    Returns
    -------
    Sampling
        With steps and guidance of 0 where the folder may be one of several kinds that need
        opposite values.
    """
    kind = type(scheduler).__name__
    if unet.config.time_cond_proj_dim is not None:
        told = "usual for latent consistency models: this UNet takes the guidance as an input"
        return Sampling("own", 4, 8.0, (_OWN, told, told))
    if source.lower() in _TURBO:
        told = f"as published with {source}"
        return Sampling("own", 1, 1.0, (_OWN, told, told))
    if kind in _DISTILLED:
        told = f"usual for weights that were distilled for {kind}"
        return Sampling("own", 4, 1.0, (_OWN, told, told))
    trailing = scheduler.config.get("timestep_spacing") == "trailing"
    if kind.startswith("Euler") and trailing:
        return Sampling("own", 0, 0.0, (_OWN, "", ""))
    xl = pipeline == "StableDiffusionXLPipeline"
    guidance = _USUAL_GUIDANCE_XL if xl else _USUAL_GUIDANCE
    usual = f"default for {pipeline}"
    if kind in _PLAIN and not trailing:
        told = f"default in place of {kind}, {_OWN}"
        return Sampling("dpm", 10, guidance, (told, "default for DPM-Solver++", usual))
    steps = _library_default(pipeline, "num_inference_steps")
    return Sampling("own", steps, guidance, (_OWN, f"diffusers' default for {pipeline}", usual))


def choose(
    settings: DiffusersSettings, pipeline: str, scheduler: Any, unet: Any, source: str = ""
) -> Sampling:
    """Return the settings' choice, and where there is none what suits the pipeline.

    Raises
    ------
    SettingsError
        If the pipeline cannot use the sampler, or steps or guidance must be said.
    """
    suits = suiting(pipeline, scheduler, unet, source)
    sampler, steps, guidance = suits.sampler, suits.steps, suits.guidance
    why_sampler, why_steps, why_guidance = suits.reasons
    if settings.sampler != "auto":
        sampler, why_sampler = settings.sampler, "setting diffusers.sampler"
    if settings.steps:
        steps, why_steps = settings.steps, "setting diffusers.steps"
    if settings.guidance:
        guidance, why_guidance = settings.guidance, "setting diffusers.guidance"
    if pipeline == "LatentConsistencyModelPipeline" and sampler not in ("own", "lcm"):
        raise SettingsError(
            f"setting diffusers.sampler: expected auto, own or lcm, which {pipeline} alone can "
            f"use, got {sampler!r}"
        )
    if not (steps and guidance):
        _refuse_unknown(type(scheduler).__name__, steps, guidance)
    return Sampling(sampler, steps, guidance, (why_sampler, why_steps, why_guidance))


def build_scheduler(sampling: Sampling, published: Any) -> Any:
    """Return the scheduler of a sampler, with the published noise schedule.

    Raises
    ------
    SettingsError
        If it cannot take over the published schedule, or that number of steps.
    """
    scheduler = published
    if sampling.sampler != "own":
        kind, changes = _SAMPLERS[sampling.sampler]
        _refuse_other_schedules(sampling.sampler, kind, published)
        scheduler = getattr(diffusers, kind).from_config(published.config, **changes)
    try:
        scheduler.set_timesteps(sampling.steps)
        times = [float(time) for time in scheduler.timesteps]
    # Each class of the library refuses in its own way what it cannot count.
    except Exception as error:
        raise SettingsError(
            f"setting diffusers.steps: {type(scheduler).__name__} cannot take "
            f"{sampling.steps}: {error}; set another number of steps, or mend "
            f"scheduler/scheduler_config.json"
        ) from None
    if times and times[0] < times[-1]:
        raise SettingsError(
            f"setting diffusers.sampler: expected a scheduler that leads from noise to pictures, "
            f"got {type(scheduler).__name__}, the folder's own, which leads from pictures to "
            f"noise; name one of {', '.join(_SAMPLERS)}"
        )
    return scheduler


def prediction_type(scheduler: Any, published: Mapping[str, Any]) -> str:
    """Say what a scheduler takes the UNet's output for, and why.

    Parameters
    ----------
    scheduler : SchedulerMixin
        The one that is used.
    published : Mapping[str, Any]
        The folder's ``scheduler_config.json`` as it stands there.
    """
    kind = type(scheduler).__name__
    if "prediction_type" not in scheduler.config:
        return f"as {kind} does (it knows no other)"
    found = scheduler.config["prediction_type"]
    told = "scheduler/scheduler_config.json"
    if "prediction_type" not in published:
        told = f"default of diffusers: {told} does not say"
    return f"{found} ({told})"


def _refuse_unknown(kind: str, steps: int, guidance: float) -> None:
    missing = [
        name
        for name, value in (("diffusers.steps", steps), ("diffusers.guidance", guidance))
        if not value
    ]
    raise SettingsError(
        f"setting {' and '.join(missing)}: expected a value, since {kind} with trailing spacing "
        f"comes with models that need opposite ones, and nothing in the folder tells which this "
        f"is; got 0. As published: SD-Turbo and SDXL-Turbo 1 step and guidance 1 (none), "
        f"SDXL-Lightning 2, 4 or 8 steps, for which its weights were made, and guidance 1, models "
        f"that are not distilled 25 steps and guidance 5 to 7.5"
    )


def _refuse_other_schedules(sampler: str, kind: str, published: Any) -> None:
    missing = [key for key in _SCHEDULE if key not in published.config]
    if missing:
        raise SettingsError(
            f"setting diffusers.sampler: expected auto or own, since {type(published).__name__}, "
            f"the folder's own, has no {missing[0]} that {kind} could take over, got {sampler!r}"
        )


def _library_default(pipeline: str, name: str) -> int:
    """Return what diffusers itself takes where nothing is said."""
    return int(inspect.signature(getattr(diffusers, pipeline).__call__).parameters[name].default)
