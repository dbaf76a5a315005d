"""The oriented generator as the server hosts it."""

from collections import abc
from typing import final

import torch
from torch import Tensor

from generators.exactness import exact_convolutions
from generators.latents import check_latents
from generators.oriented.mapping import Mapping
from generators.oriented.settings import OrientedSettings
from generators.oriented.synthesis import Synthesis
from strategies.common import seeds


@final
class OrientedGenerator:
    """An ``ImageGenerator`` that needs no weights: settings and seed fix every image.

    Parameters
    ----------
    settings : OrientedSettings
        Size, latent width and seed.
    device : torch.device
        Where images are drawn. Weights are drawn on the CPU and then moved, so that they
        are the same on every device.

    Examples
    --------
    >>> settings = OrientedSettings(image_size=32, latent_dim=64, mapping_layers=4, seed=0)
    >>> oriented = OrientedGenerator(settings, torch.device("cpu"))
    >>> latents = oriented.sample_latents(10, torch.Generator().manual_seed(1))
    >>> oriented.synthesize(latents).shape
    torch.Size([10, 3, 32, 32])
    """

    def __init__(self, settings: OrientedSettings, device: torch.device) -> None:
        self._settings = settings
        self._device = device
        self._mapping = Mapping(
            settings.latent_dim,
            settings.mapping_layers,
            seeds.generator(settings.seed, "oriented-mapping"),
        )
        self._synthesis = Synthesis(
            settings.image_size,
            settings.latent_dim,
            seeds.generator(settings.seed, "oriented-synthesis"),
        ).to(device)

    @property
    def latent_dim(self) -> int:
        """Width of one latent vector."""
        return self._settings.latent_dim

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(3, height, width) of the images."""
        return (3, self._settings.image_size, self._settings.image_size)

    @property
    def gaussian_latents(self) -> bool:
        """False: w comes from a mapping network."""
        return False

    @property
    def family(self) -> str:
        """``"oriented"``."""
        return "oriented"

    @property
    def decisions(self) -> abc.Mapping[str, str]:
        """None: all that it draws with is set, or stands in its file."""
        return {}

    def sample_latents(self, count: int, generator: torch.Generator) -> Tensor:
        """Draw latents w.

        Parameters
        ----------
        count : int
            Number of latents.
        generator : torch.Generator
            CPU generator, the source of the noise that is mapped.

        Returns
        -------
        Tensor
            (count, latent) float32 on the device where images are drawn; each component has
            about zero mean and unit variance.
        """
        noise = torch.randn(count, self.latent_dim, generator=generator)
        return self._mapping(noise).to(self._device)

    @torch.no_grad()
    def synthesize(self, latents: Tensor) -> Tensor:
        """Draw one image per latent.

        Images are drawn one by one: convolution libraries choose their algorithm by the
        batch, and an image must be the same to the last bit whatever is drawn beside it.

        Parameters
        ----------
        latents : Tensor
            (count, latent) finite.

        Returns
        -------
        Tensor
            (count, 3, height, width) uint8 on the CPU.

        Raises
        ------
        GeneratorError
            If the latents have another shape or are not finite.
        """
        check_latents("oriented", latents, self.latent_dim)
        images = torch.empty(len(latents), *self.image_shape, dtype=torch.uint8)
        with exact_convolutions():
            for image, latent in zip(images, latents.to(self._device, torch.float32), strict=True):
                image.copy_(self._synthesis(latent).add(1).mul(127.5).round())
        return images
