"""What a server half asks of an image generator; nothing heavy is imported here."""

from collections.abc import Mapping
from typing import Protocol

import torch
from torch import Tensor


class ImageGenerator(Protocol):
    """A pretrained or constructed network that turns latent vectors into images.

    Attributes
    ----------
    latent_dim : int
        Width of one latent vector (H in FedKTL).
    image_shape : tuple[int, int, int]
        (channels, height, width) of what it draws; channels is 3.
    gaussian_latents : bool
        Whether latents are plain unit-variance noise, as in diffusion models, rather than
        a learnt space such as StyleGAN's W.
    family : str
        Which published family it belongs to, e.g. ``"stylegan-xl"``; methods have values
        that suit a family.
    decisions : Mapping[str, str]
        What was chosen when it was built, each with the reason; printed and kept with a run.
    """

    @property
    def latent_dim(self) -> int:
        """Width of one latent vector."""
        ...

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(channels, height, width) of what it draws."""
        ...

    @property
    def gaussian_latents(self) -> bool:
        """Whether latents are plain unit-variance noise."""
        ...

    @property
    def family(self) -> str:
        """Which published family it belongs to."""
        ...

    @property
    def decisions(self) -> Mapping[str, str]:
        """What was chosen when it was built, each with the reason."""
        ...

    def sample_latents(self, count: int, generator: torch.Generator) -> Tensor:
        """Draw latents from the generator's valid distribution.

        They are (count, latent) float32 on the device where images are drawn; ``generator``
        is a CPU generator.
        """
        ...

    def synthesize(self, latents: Tensor) -> Tensor:
        """Draw one image per latent: (count, 3, height, width), uint8, on the CPU."""
        ...
