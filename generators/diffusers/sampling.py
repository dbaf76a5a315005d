"""Sampler, steps and guidance that suit a pipeline.

The latent is the noise that sampling starts from, so a few-step sampler has to begin at the
noisiest time step: "trailing" spacing in Lin et al., "Common Diffusion Noise Schedules and
Sample Steps are Flawed", WACV 2024, https://arxiv.org/abs/2305.08891, section 3.3.
"""

from dataclasses import dataclass
from typing import Any, final

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


@final
@dataclass(frozen=True)
class Sampling:
    """How noise becomes an image.

    Attributes
    ----------
    sampler : str
        As in the settings, but never ``"auto"``.
    steps : int
        At least 1.
    guidance : float
        Up to 1 is without.
    """

    sampler: str
    steps: int
    guidance: float


# As published with the weights: one step and no guidance for the Turbo models; 4 steps and a
# guidance of 8 that is an input of the UNet for latent consistency models, none where their
# weights came as a LoRA. DPM-Solver++ needs "around 10 steps" by the title of its paper.
_TURBO = Sampling("own", 1, 0.0)
_CONSISTENCY = Sampling("own", 4, 8.0)
_CONSISTENCY_LORA = Sampling("own", 4, 1.0)
_PLAIN = Sampling("dpm", 10, 7.5)
_PLAIN_XL = Sampling("dpm", 10, 5.0)


def suiting(pipeline: str, scheduler: Any, unet: Any) -> Sampling:
    """Return what suits a pipeline, from what its parts say of themselves.

    Parameters
    ----------
    pipeline : str
        Class of the pipeline.
    scheduler : SchedulerMixin
        As published.
    unet : UNet2DConditionModel
        Takes the guidance as an input if it has ``time_cond_proj_dim``.
    """
    if unet.config.time_cond_proj_dim is not None:
        return _CONSISTENCY
    kind = type(scheduler).__name__
    if kind == "LCMScheduler":
        return _CONSISTENCY_LORA
    # Of the published pipelines only the Turbo models come with this pair.
    trailing = scheduler.config.get("timestep_spacing") == "trailing"
    if kind.startswith("Euler") and trailing:
        return _TURBO
    return _PLAIN_XL if pipeline == "StableDiffusionXLPipeline" else _PLAIN


def choose(settings: DiffusersSettings, pipeline: str, scheduler: Any, unet: Any) -> Sampling:
    """Return the settings' choice, and where there is none what suits the pipeline.

    Raises
    ------
    SettingsError
        If the pipeline cannot use the sampler.
    """
    suits = suiting(pipeline, scheduler, unet)
    sampler = suits.sampler if settings.sampler == "auto" else settings.sampler
    if pipeline == "LatentConsistencyModelPipeline" and sampler not in ("own", "lcm"):
        raise SettingsError(
            f"setting diffusers.sampler: expected auto, own or lcm, which {pipeline} alone can "
            f"use, got {sampler!r}"
        )
    return Sampling(sampler, settings.steps or suits.steps, settings.guidance or suits.guidance)


def build_scheduler(sampling: Sampling, published: Any) -> Any:
    """Return the scheduler of a sampler, with the published noise schedule.

    Raises
    ------
    SettingsError
        If it cannot take that number of steps.
    """
    scheduler = published
    if sampling.sampler != "own":
        kind, changes = _SAMPLERS[sampling.sampler]
        scheduler = getattr(diffusers, kind).from_config(published.config, **changes)
    try:
        scheduler.set_timesteps(sampling.steps)
    except ValueError as error:
        raise SettingsError(
            f"setting diffusers.steps: {type(scheduler).__name__} cannot take "
            f"{sampling.steps}: {error}"
        ) from None
    return scheduler
