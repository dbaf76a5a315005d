"""Small networks that turn latents back into images, for attackers with many images.

Where a latent is small a network of one hidden layer reads it better than a deep decoder
does, in a fraction of the time. A client model is judged by all of them.
"""

import math
from typing import final

from torch import Tensor, nn
from torch.nn import functional

from strategies.common import seeds

Shape = tuple[int, int, int]


def build(name: str, latent_shape: Shape, image_shape: Shape, seed: int) -> nn.Module:
    """Build a network with weights fixed by a seed.

    Parameters
    ----------
    name : str
        ``conv_C32`` for three convolutions of 32 channels, ``dense_C256`` for one hidden layer
        of 256 units that sees the whole latent.
    latent_shape, image_shape : tuple[int, int, int]
        (channels, height, width) of a latent and of an image.
    seed : int
        Of the weights.

    Returns
    -------
    nn.Module
        Maps latents (samples, *latent) to images (samples, *image) in [0, 1].
    """
    kind, _, width = name.partition("_C")
    network = {"conv": _Convolutional, "dense": _Dense}[kind]
    with seeds.seeded(seed):
        return network(int(width), latent_shape, image_shape)


@final
class _Dense(nn.Module):
    """One hidden layer between all of a latent and all of an image."""

    def __init__(self, width: int, latent_shape: Shape, image_shape: Shape) -> None:
        super().__init__()
        self.image_shape = image_shape
        self.body = nn.Sequential(
            nn.Flatten(),
            nn.Linear(math.prod(latent_shape), width),
            nn.ReLU(),
            nn.Linear(width, math.prod(image_shape)),
        )

    def forward(self, latents: Tensor) -> Tensor:
        """Map latents (samples, *latent) to images (samples, *image)."""
        images: Tensor = self.body(latents).sigmoid()
        return images.view(-1, *self.image_shape)


@final
class _Convolutional(nn.Module):
    """A convolution at the latent's size, enlargement, and two at the image's size."""

    def __init__(self, width: int, latent_shape: Shape, image_shape: Shape) -> None:
        super().__init__()
        self.image_size = image_shape[1:]
        self.first = nn.Conv2d(latent_shape[0], width, 3, padding=1)
        self.middle = nn.Conv2d(width, width, 3, padding=1)
        self.last = nn.Conv2d(width, image_shape[0], 3, padding=1)

    def forward(self, latents: Tensor) -> Tensor:
        """Map latents (samples, *latent) to images (samples, *image)."""
        features = self.first(latents).relu()
        features = functional.interpolate(
            features, self.image_size, mode="bilinear", align_corners=False
        )
        images: Tensor = self.last(self.middle(features).relu()).sigmoid()
        return images
