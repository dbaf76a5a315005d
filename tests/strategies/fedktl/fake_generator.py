"""An image generator that is cheap enough for tests."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import final

import torch
from torch import Tensor


@final
@dataclass(frozen=True)
class FakeGenerator:
    """Paints flat pictures whose colour is the first three components of the latent.

    Attributes
    ----------
    latent_dim : int
        Width of a latent vector, at least 3.
    side : int
        Height and width of a picture.
    gaussian_latents : bool
        Latents are unit-variance noise in either case.
    family : str
        What it claims to be.
    decisions : Mapping[str, str]
        What it claims to have chosen.
    """

    latent_dim: int = 8
    side: int = 16
    gaussian_latents: bool = False
    family: str = ""
    decisions: Mapping[str, str] = field(default_factory=dict)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(3, side, side)."""
        return (3, self.side, self.side)

    def sample_latents(self, count: int, generator: torch.Generator) -> Tensor:
        """Draw unit-variance noise."""
        return torch.randn(count, self.latent_dim, generator=generator)

    def synthesize(self, latents: Tensor) -> Tensor:
        """Paint flat pictures."""
        colours = (latents[:, :3] * 40 + 128).clamp(0, 255).to(torch.uint8)
        return colours[:, :, None, None].repeat(1, 1, self.side, self.side)
