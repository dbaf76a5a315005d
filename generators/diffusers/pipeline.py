"""A pipeline of diffusers whose prompt is encoded once: unit-variance noise to pictures."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, final

import diffusers
import torch
from torch import Tensor

from generators.diffusers.folder import PipelineFolder, read_folder, read_json, read_vae_class
from generators.diffusers.geometry import check_text_width, latent_shape, scaling_factor
from generators.diffusers.location import locate_pipeline, locate_vae
from generators.diffusers.parts import read_network, read_parts
from generators.diffusers.sampling import build_scheduler, choose, prediction_type
from generators.diffusers.settings import DiffusersSettings
from generators.diffusers.silence import silenced
from strategies.common import seeds
from strategies.common.errors import GeneratorError, NectarError
from strategies.common.home import expanded
from strategies.common.out_of_memory import is_out_of_memory

# The order in which every pipeline's encode_prompt returns them; SDXL has all four.
_EMBEDDINGS = (
    "prompt_embeds",
    "negative_prompt_embeds",
    "pooled_prompt_embeds",
    "negative_pooled_prompt_embeds",
)
_TEXT_PARTS = ("text_encoder", "text_encoder_2", "tokenizer", "tokenizer_2")
# Parts whose outdated configurations a pipeline of diffusers mends.
_ALTERED = ("scheduler", "unet")
# A trial shows whether the parts go together: of few steps, and small where the model is large.
_TRIAL_STEPS = 2
_TRIAL_SIDE = 8


@final
class Pipeline:
    """Draws pictures from noise; the text encoders are gone once it is built.

    Parameters
    ----------
    settings : DiffusersSettings
        Prompt, sampling and decoder.
    source : str
        Folder or hub id.
    device : torch.device
        Where images are drawn.
    dtype : torch.dtype
        Numbers to compute in.

    Raises
    ------
    GeneratorError
        If the pipeline cannot be found, read or used.
    SettingsError
        If a setting does not suit it.
    """

    def __init__(
        self, settings: DiffusersSettings, source: str, device: torch.device, dtype: torch.dtype
    ) -> None:
        folder = read_folder(locate_pipeline(source), with_vae=not settings.vae)
        vae = locate_vae(settings.vae) if settings.vae else folder.path / "vae"
        hub_id = "" if expanded(source, "generator diffusers:").is_dir() else source
        with silenced(), _explained(folder):
            parts = read_parts(folder, dtype)
            if settings.vae:
                parts["vae"] = read_network(vae, read_vae_class(vae), dtype)
            before = {name: dict(parts[name].config) for name in _ALTERED}
            self._pipe = _assemble(folder, parts)
            unet, published = self._pipe.unet, self._pipe.scheduler
            self._sampling = choose(settings, folder.pipeline, published, unet, hub_id)
            self._pipe.scheduler = build_scheduler(self._sampling, published)
            self.latent_shape, why = latent_shape(folder.path, self._pipe, settings.image_size)
            self.decisions: Mapping[str, str] = {
                **self._decided(folder),
                "latent": f"{' x '.join(map(str, self.latent_shape))} ({why})",
                "scaling factor": _scaling_factor(vae, self._pipe),
                **_altered(before, parts),
            }
            self._pipe.to(device)
            # Where guidance is an input of the UNet there is no second pass for it.
            guided = self._sampling.guidance > 1 and unet.config.time_cond_proj_dim is None
            self._embeddings = _encode(self._pipe, settings.prompt, device, guided=guided)
            check_text_width(folder.path, unet, self._embeddings[_EMBEDDINGS[0]].shape[-1])
        self._pipe.set_progress_bar_config(disable=True)
        self._dtype = dtype
        self._noise_seed = seeds.derive(settings.seed, "sampler")
        with _explained(folder):
            self._try(folder, device)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(3, height, width) of the pictures."""
        factor = self._pipe.vae_scale_factor
        return (3, self.latent_shape[1] * factor, self.latent_shape[2] * factor)

    def draw(self, noise: Tensor) -> Tensor:
        """Draw one picture per noise.

        Parameters
        ----------
        noise : Tensor
            (count, channels, height, width) of unit variance on the device; the pipeline
            scales it to what its sampler starts from.

        Returns
        -------
        Tensor
            (count, 3, height, width) in [0, 1] on the device; NaN where numbers overflowed.

        Raises
        ------
        GeneratorError
            If pictures have another size than the pipeline's settings imply.
        """
        return self._sample(noise, self._sampling.steps)

    def _sample(self, noise: Tensor, steps: int) -> Tensor:
        """Draw pictures of the size that the noise asks for."""
        count, factor = len(noise), self._pipe.vae_scale_factor
        expected = (3, noise.shape[2] * factor, noise.shape[3] * factor)
        embeddings = {
            name: row.repeat_interleave(count, 0) for name, row in self._embeddings.items()
        }
        with silenced():
            pictures: Tensor = self._pipe(
                **embeddings,
                latents=noise.to(self._dtype),
                height=expected[1],
                width=expected[2],
                num_inference_steps=steps,
                guidance_scale=self._sampling.guidance,
                generator=[self._randomness() for _ in range(count)],
                output_type="pt",
                return_dict=False,
            )[0]
        if pictures.shape[1:] != expected:
            raise GeneratorError(
                f"generator diffusers: expected pictures {expected} from latents "
                f"{tuple(noise.shape[1:])}, got {tuple(pictures.shape[1:])}; the decoder "
                f"belongs to another pipeline"
            )
        return pictures

    @torch.no_grad()
    def _try(self, folder: PipelineFolder, device: torch.device) -> None:
        """Draw once: what does not go together is told before a run and not in its midst.

        Raises
        ------
        GeneratorError
            If the scheduler draws noise that no seed decides.
        """
        channels, height, width = self.latent_shape
        side = (min(height, _TRIAL_SIDE), min(width, _TRIAL_SIDE))
        noise = torch.randn(1, channels, *side, generator=self._randomness()).to(device)
        with seeds.seeded(0):
            before = torch.get_rng_state()
            self._sample(noise, min(self._sampling.steps, _TRIAL_STEPS))
            drew = not torch.equal(before, torch.get_rng_state())
        if drew:
            raise GeneratorError(
                f"generator diffusers: {folder.path}: expected a scheduler whose noise follows a "
                f"seed, got {type(self._pipe.scheduler).__name__}, which draws its own, so that "
                f"no image could be drawn again; set diffusers.sampler to ddim, dpm or euler"
            )

    def _decided(self, folder: PipelineFolder) -> Mapping[str, str]:
        """Say what was decided about sampling, and why."""
        chosen, scheduler = self._sampling, self._pipe.scheduler
        why_sampler, why_steps, why_guidance = chosen.reasons
        kind = type(scheduler).__name__
        published = folder.scheduler_config
        wrote = published.get("_class_name", folder.scheduler)
        if chosen.sampler == "own" and wrote != folder.scheduler:
            why_sampler += f", by model_index.json; its configuration is {wrote}'s"
        none = " (none)" if chosen.guidance <= 1 else ""
        return {
            "sampler": f"{kind} ({why_sampler})",
            "steps": f"{chosen.steps} ({why_steps})",
            "guidance": f"{chosen.guidance:g}{none} ({why_guidance})",
            "prediction type": prediction_type(scheduler, published),
        }

    def _randomness(self) -> torch.Generator:
        """Return the noise that a sampler adds: the same for every image.

        One generator for each image, or noise would depend on the batch; from one seed, so
        that a picture is a function of its latent alone; on the CPU, so that every device
        draws the same.
        """
        return torch.Generator().manual_seed(self._noise_seed)


@contextmanager
def _explained(folder: PipelineFolder) -> Iterator[None]:
    """Say of what pipeline the parts do not go together."""
    try:
        yield
    except NectarError:
        raise
    # Whatever a configuration may hold comes out of three libraries as what they raise there.
    except Exception as error:
        if is_out_of_memory(error):
            raise
        raise GeneratorError(
            f"generator diffusers: {folder.path}: cannot be drawn with as {folder.pipeline} with "
            f"{folder.scheduler}: {type(error).__name__}: {error!s:.300}; where its scheduler "
            f"is of another kind than that pipeline asks for, such as flow matching, name one "
            f"that it takes in model_index.json and scheduler_config.json (for weights of "
            f"flow matching UniPCMultistepScheduler with use_flow_sigmas and prediction_type "
            f"flow_prediction); otherwise download the whole folder again"
        ) from error


def _assemble(folder: PipelineFolder, parts: Mapping[str, Any]) -> Any:
    build = getattr(diffusers, folder.pipeline)
    if folder.pipeline == "StableDiffusionXLPipeline":
        return build(
            **parts, force_zeros_for_empty_prompt=folder.zero_empty_prompt, add_watermarker=False
        )
    # The safety checker blackens pictures whose content may offend. Here the prompt is one
    # fixed text, and pictures are a carrier of latents that no one is shown for what they
    # depict; a black one would carry nothing.
    return build(
        **parts, safety_checker=None, feature_extractor=None, requires_safety_checker=False
    )


def _altered(
    before: Mapping[str, Mapping[str, Any]], parts: Mapping[str, Any]
) -> Mapping[str, str]:
    """Say what a pipeline of diffusers altered in the configurations of its parts."""
    told = [
        f"{name}'s {key} from {value!r} to {parts[name].config[key]!r}"
        for name, config in before.items()
        for key, value in config.items()
        if parts[name].config[key] != value
    ]
    return {"altered by diffusers": ", ".join(told)} if told else {}


def _scaling_factor(vae: Path, pipe: Any) -> str:
    told = "scaling_factor" in read_json(vae / "config.json", "folder of a decoder")
    return scaling_factor(vae, pipe, told)


@torch.no_grad()
def _encode(pipe: Any, prompt: str, device: torch.device, *, guided: bool) -> dict[str, Tensor]:
    """Encode the prompt, and take what it needed out of the pipeline and out of memory."""
    encoded = pipe.encode_prompt(
        prompt=prompt,
        device=device,
        num_images_per_prompt=1,
        do_classifier_free_guidance=guided,
    )
    pipe.register_modules(**{name: None for name in _TEXT_PARTS if hasattr(pipe, name)})
    if device.type == "cuda":
        torch.cuda.empty_cache()
    pairs = zip(_EMBEDDINGS, encoded, strict=False)
    return {name: embedding for name, embedding in pairs if embedding is not None}
