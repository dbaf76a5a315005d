"""A diffusion model as the server hosts it."""

from collections.abc import Mapping
from math import prod
from typing import final

import torch
from torch import Tensor

from generators.batches import Batches
from generators.diffusers.pipeline import Pipeline
from generators.diffusers.settings import DiffusersSettings
from generators.exactness import exact_convolutions
from generators.latents import check_latents
from strategies.common.errors import GeneratorError
from strategies.common.out_of_memory import is_out_of_memory

_NAME = "diffusers"
_DTYPES = {
    "float32": torch.float32,
    "float16": torch.float16,
    "bfloat16": torch.bfloat16,
}
# What to lower when memory does not hold the networks or an image.
_ADVICE = (
    "set diffusers.dtype=float16 on a GPU, name a TAESD decoder in diffusers.vae, take a pipeline "
    "of smaller images, or draw on another device (server-device)"
)


@final
class DiffusersGenerator:
    """An ``ImageGenerator`` whose latent is the initial noise of a diffusion model.

    On a GPU the last bits of an image depend on how many are drawn at once; a fixed
    ``batch_size`` of 1 makes runs equal there too.

    Parameters
    ----------
    settings : DiffusersSettings
        Prompt, sampling, precision and batch size.
    source : str
        Folder or hub id of the pipeline.
    device : torch.device
        Where images are drawn.

    Raises
    ------
    GeneratorError
        If the pipeline cannot be found, read or used, or memory does not hold it.
    SettingsError
        If a setting does not suit the pipeline.
    """

    def __init__(self, settings: DiffusersSettings, source: str, device: torch.device) -> None:
        self._device = device
        on_gpu = device.type == "cuda"
        automatic = torch.float16 if on_gpu else torch.float32
        dtype = _DTYPES.get(settings.dtype, automatic)
        try:
            self._pipeline = Pipeline(settings, source, device, dtype)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            raise GeneratorError(
                f"generator {_NAME}:{source}: {device.type} memory does not hold the networks; "
                f"{_ADVICE}: {error!s:.200}"
            ) from None
        self._batches = Batches(_NAME, self._draw, _ADVICE)
        self._batches.choose(settings.batch_size, self.latent_dim, device)

    @property
    def latent_dim(self) -> int:
        """Width of one latent vector: channels x height x width of the noise."""
        return prod(self._pipeline.latent_shape)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(3, height, width) of the images."""
        return self._pipeline.image_shape

    @property
    def gaussian_latents(self) -> bool:
        """True: a latent is noise."""
        return True

    @property
    def family(self) -> str:
        """``"diffusers"``."""
        return _NAME

    @property
    def decisions(self) -> Mapping[str, str]:
        """Sampler, steps, guidance and what else was chosen, each with its reason."""
        return self._pipeline.decisions

    def sample_latents(self, count: int, generator: torch.Generator) -> Tensor:
        """Draw noise.

        Parameters
        ----------
        count : int
            Number of latents.
        generator : torch.Generator
            CPU generator, the source of the noise.

        Returns
        -------
        Tensor
            (count, latent) float32 of zero mean and unit variance, on the device where
            images are drawn.
        """
        return torch.randn(count, self.latent_dim, generator=generator).to(self._device)

    def synthesize(self, latents: Tensor) -> Tensor:
        """Draw one image per latent.

        Parameters
        ----------
        latents : Tensor
            (count, latent) finite, of about unit variance.

        Returns
        -------
        Tensor
            (count, 3, height, width) uint8 on the CPU.

        Raises
        ------
        GeneratorError
            If the latents have another shape or are not finite, images are not finite, or
            memory does not hold one image.
        """
        check_latents(_NAME, latents, self.latent_dim)
        if not len(latents):
            return torch.empty(0, *self.image_shape, dtype=torch.uint8)
        return self._batches.draw(latents)

    @torch.no_grad()
    def _draw(self, latents: Tensor) -> Tensor:
        """Draw a batch: (count, 3, height, width) uint8 on the CPU."""
        shape = (len(latents), *self._pipeline.latent_shape)
        noise = latents.to(self._device, torch.float32).reshape(shape)
        with exact_convolutions():
            pictures = self._pipeline.draw(noise)
        if not bool(torch.isfinite(pictures).all()):
            raise GeneratorError(
                f"generator {_NAME}: got images that are not finite: numbers overflowed; set "
                "diffusers.dtype=bfloat16 or float32, or see whether the files are damaged"
            )
        return pictures.float().mul(255).round().to(torch.uint8).cpu()
