"""Settings of the oriented generator: the table ``oriented``."""

from typing import Literal, final

from pydantic import Field

from strategies.common.settings import Settings


@final
class OrientedSettings(Settings):
    """What fixes the network; together these values determine every image.

    Attributes
    ----------
    image_size : int
        Height and width of the images in pixels. A larger size adds detail to the layout
        of a smaller one.
    latent_dim : int
        Width of a latent vector. The squared distance between two latents is about twice
        this number, which FedKTL's fixed bandwidths (10 to 50) suit at 64.
    mapping_layers : int
        Layers between z and w; more of them make the distribution of w less Gaussian.
    seed : int
        Seed of the weights. It is not the run's seed, so that all seeds of a comparison
        meet the same generator.
    """

    image_size: Literal[16, 32, 64, 128, 256]
    latent_dim: int = Field(ge=2, le=4096)
    mapping_layers: int = Field(ge=1, le=16)
    seed: int = Field(ge=0)
