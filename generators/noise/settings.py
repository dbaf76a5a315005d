"""Settings of the noise generator: the table ``noise``."""

from typing import final

from pydantic import Field

from strategies.common.settings import Settings


@final
class NoiseSettings(Settings):
    """What fixes the pictures.

    Attributes
    ----------
    image_size : int
        Height and width of the pictures in pixels.
    latent_dim : int
        Width of a latent vector.
    seed : int
        Seed of the map from latents to pictures; not the run's seed.
    """

    image_size: int = Field(ge=4, le=512)
    latent_dim: int = Field(ge=2, le=4096)
    seed: int = Field(ge=0)
