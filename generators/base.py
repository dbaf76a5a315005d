"""What the server asks of an image generator; nothing heavy is imported here."""

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
    """

    @property
    def latent_dim(self) -> int: ...
    @property
    def image_shape(self) -> tuple[int, int, int]: ...
    @property
    def gaussian_latents(self) -> bool: ...

    def sample_latents(self, count: int, generator: torch.Generator) -> Tensor:
        """Draw latents from the generator's valid distribution: (count, latent), float32."""
        ...

    def synthesize(self, latents: Tensor) -> Tensor:
        """Draw one image per latent: (count, 3, height, width), uint8, on the CPU."""
        ...
