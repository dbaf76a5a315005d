"""A linear map from latents to pictures whose pixels are independent Gaussian noise."""

import math
from collections.abc import Mapping
from typing import final

import torch
from torch import Tensor

from generators.latents import check_latents
from generators.noise.settings import NoiseSettings
from strategies.common import seeds

# A pixel is within these many standard deviations of grey, in bytes, almost always.
_SPREAD = 42.0


@final
class NoiseGenerator:
    """An ``ImageGenerator`` without any structure: the control of a comparison.

    A method that gains as much from these pictures as from a pretrained generator gains
    from something else than the generator's knowledge. Pictures follow their latents
    continuously, as a real generator's do, and latents are unit-variance noise.

    Parameters
    ----------
    settings : NoiseSettings
        Size, latent width and seed.
    device : torch.device
        Where latents are sampled; pictures are made on the CPU.
    """

    def __init__(self, settings: NoiseSettings, device: torch.device) -> None:
        self._settings = settings
        self._device = device
        size = (settings.latent_dim, 3 * settings.image_size**2)
        randomness = seeds.generator(settings.seed, "noise-pictures")
        self._pixels = torch.randn(size, generator=randomness) / math.sqrt(settings.latent_dim)

    @property
    def latent_dim(self) -> int:
        """Width of one latent vector."""
        return self._settings.latent_dim

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(3, height, width) of the pictures."""
        return (3, self._settings.image_size, self._settings.image_size)

    @property
    def gaussian_latents(self) -> bool:
        """False: latents have a few dimensions and the width that StyleGAN's bandwidths suit."""
        return False

    @property
    def family(self) -> str:
        """``"noise"``."""
        return "noise"

    @property
    def decisions(self) -> Mapping[str, str]:
        """None: all that it draws with is set, or stands in its file."""
        return {}

    def sample_latents(self, count: int, generator: torch.Generator) -> Tensor:
        """Draw unit-variance latents (count, latent) from a CPU generator."""
        return torch.randn(count, self.latent_dim, generator=generator).to(self._device)

    def synthesize(self, latents: Tensor) -> Tensor:
        """Draw one picture per latent: (count, 3, height, width) uint8.

        Raises
        ------
        GeneratorError
            If the latents have another shape or are not finite.
        """
        check_latents("noise", latents, self.latent_dim)
        # One by one: a product of another batch may differ in its last bit.
        pixels = [latent.cpu().float() @ self._pixels for latent in latents]
        pictures = torch.stack(pixels) if pixels else torch.empty(0, self._pixels.shape[1])
        bytes_ = pictures.mul(_SPREAD).add(128).round().clamp(0, 255)
        return bytes_.to(torch.uint8).reshape(-1, *self.image_shape)
