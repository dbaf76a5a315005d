"""A pipeline of diffusers whose prompt is encoded once: unit-variance noise to pictures."""

from pathlib import Path
from typing import Any, final

import diffusers
import torch
from torch import Tensor

from generators.diffusers.folder import PipelineFolder, read_folder, read_vae_class
from generators.diffusers.location import locate_pipeline, locate_vae
from generators.diffusers.parts import read_network, read_parts
from generators.diffusers.sampling import build_scheduler, choose
from generators.diffusers.settings import DiffusersSettings
from generators.diffusers.silence import silenced
from strategies.common import seeds
from strategies.common.errors import GeneratorError

# The order in which every pipeline's encode_prompt returns them; SDXL has all four.
_EMBEDDINGS = (
    "prompt_embeds",
    "negative_prompt_embeds",
    "pooled_prompt_embeds",
    "negative_pooled_prompt_embeds",
)
_TEXT_PARTS = ("text_encoder", "text_encoder_2", "tokenizer", "tokenizer_2")


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
        vae = locate_vae(settings.vae) if settings.vae else None
        with silenced():
            self._pipe = _assemble(folder, vae, dtype)
            unet, published = self._pipe.unet, self._pipe.scheduler
            self._sampling = choose(settings, folder.pipeline, published, unet)
            self._pipe.scheduler = build_scheduler(self._sampling, published)
            self.latent_shape = _latent_shape(folder.path, self._pipe)
            self._pipe.to(device)
            # Where guidance is an input of the UNet there is no second pass for it.
            guided = self._sampling.guidance > 1 and unet.config.time_cond_proj_dim is None
            self._embeddings = _encode(self._pipe, settings.prompt, device, guided=guided)
        self._pipe.set_progress_bar_config(disable=True)
        self._dtype = dtype
        self._noise_seed = seeds.derive(settings.seed, "sampler")

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
        count, (_, height, width) = len(noise), self.image_shape
        embeddings = {
            name: row.repeat_interleave(count, 0) for name, row in self._embeddings.items()
        }
        with silenced():
            pictures: Tensor = self._pipe(
                **embeddings,
                latents=noise.to(self._dtype),
                height=height,
                width=width,
                num_inference_steps=self._sampling.steps,
                guidance_scale=self._sampling.guidance,
                generator=[self._randomness() for _ in range(count)],
                output_type="pt",
                return_dict=False,
            )[0]
        if pictures.shape[1:] != self.image_shape:
            raise GeneratorError(
                f"generator diffusers: expected pictures {self.image_shape} from latents "
                f"{self.latent_shape}, got {tuple(pictures.shape[1:])}; the decoder belongs to "
                f"another pipeline"
            )
        return pictures

    def _randomness(self) -> torch.Generator:
        """Return the noise that a sampler adds: the same for every image.

        One generator for each image, or noise would depend on the batch; from one seed, so
        that a picture is a function of its latent alone; on the CPU, so that every device
        draws the same.
        """
        return torch.Generator().manual_seed(self._noise_seed)


def _assemble(folder: PipelineFolder, vae: Path | None, dtype: torch.dtype) -> Any:
    parts = read_parts(folder, dtype)
    if vae is not None:
        parts["vae"] = read_network(vae, read_vae_class(vae), dtype)
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


def _latent_shape(path: Path, pipe: Any) -> tuple[int, int, int]:
    """Return (channels, height, width) of the noise, from the UNet's config."""
    config, decoded = pipe.unet.config, pipe.vae.config.latent_channels
    if not config.in_channels == config.out_channels == decoded:
        raise GeneratorError(
            f"generator diffusers: {path}: expected a UNet from noise of {decoded} channels, as "
            f"the decoder has, to as many; got {config.in_channels} to {config.out_channels}; "
            f"pipelines that change a given image and decoders of other pipelines do not fit"
        )
    size = config.sample_size
    height, width = (size, size) if isinstance(size, int) else size
    return (config.in_channels, height, width)


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
