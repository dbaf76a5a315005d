"""The synthesis network: w to an image, from 4 pixels up to the full size."""

import math
from typing import cast, final

import torch
from torch import Tensor, nn
from torch.nn import functional

from generators.oriented.layers import START_SIZE, ColourLayer, OrientedLayer, Waves

_CHANNELS = 48
_FEWEST_CHANNELS = 16
# Up to this size all blocks have all channels; beyond, they halve as the size doubles.
_FULL_WIDTH_SIZE = 32
# Weight of a block's colours relative to the block before it: finer detail is fainter, as
# in natural images.
_DETAIL_DECAY = 0.8
_CONTRAST = 0.6
_BASE_COLOUR_SPREAD = 0.5


@final
class Block(nn.Module):
    """Two oriented layers at one size, and their colours.

    Parameters
    ----------
    latent_dim : int
        Width of a latent.
    inputs, outputs : int
        Channels before and after.
    size : int
        Height and width of the block's maps.
    generator : torch.Generator
        CPU generator to draw the weights from.
    """

    def __init__(
        self, latent_dim: int, inputs: int, outputs: int, size: int, generator: torch.Generator
    ) -> None:
        super().__init__()
        self.size = size
        self.first = OrientedLayer(latent_dim, inputs, outputs, size, generator)
        self.second = OrientedLayer(latent_dim, outputs, outputs, size, generator)
        self.colours = ColourLayer(latent_dim, outputs, generator)
        self.detail = _DETAIL_DECAY ** math.log2(size / START_SIZE)

    def forward(
        self, features: Tensor, image: Tensor | None, latent: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return the block's features, and the image with its detail added."""
        features = self.second(self.first(enlarge(features, self.size), latent), latent)
        detail: Tensor = self.detail * self.colours(features, latent)
        return features, detail if image is None else enlarge(image, self.size) + detail


@final
class Synthesis(nn.Module):
    """Plane waves, then one block per size; colours of all sizes are summed.

    Weights are drawn from the coarsest block to the finest, so that a larger image keeps
    the layout of a smaller one.

    Parameters
    ----------
    image_size : int
        Height and width of the image: 4 times a power of two.
    latent_dim : int
        Width of a latent.
    generator : torch.Generator
        CPU generator to draw the weights from.
    """

    base_colour: Tensor

    def __init__(self, image_size: int, latent_dim: int, generator: torch.Generator) -> None:
        super().__init__()
        base = torch.randn(3, latent_dim, generator=generator) / math.sqrt(latent_dim)
        self.register_buffer("base_colour", base)
        self.waves = Waves(latent_dim, _CHANNELS, generator)
        blocks = []
        inputs, size = _CHANNELS, START_SIZE
        while size <= image_size:
            outputs = _num_channels(size)
            blocks.append(Block(latent_dim, inputs, outputs, size, generator))
            inputs, size = outputs, 2 * size
        self.blocks = nn.ModuleList(blocks)

    def forward(self, latent: Tensor) -> Tensor:
        """Draw the image of one latent.

        Parameters
        ----------
        latent : Tensor
            (latent,).

        Returns
        -------
        Tensor
            (3, height, width) within (-1, 1).
        """
        features: Tensor = self.waves(latent)
        image: Tensor | None = None
        for block in self.blocks:
            features, image = cast(Block, block)(features, image, latent)
        return self._finish(cast(Tensor, image).squeeze(0), latent)

    def _finish(self, image: Tensor, latent: Tensor) -> Tensor:
        """Give the image its contrast and its base colour."""
        detail = image - image.mean((1, 2), keepdim=True)
        detail = detail * detail.square().mean().add(1e-6).rsqrt()
        base = torch.tanh(self.base_colour @ latent).view(3, 1, 1)
        return torch.tanh(_CONTRAST * detail + _BASE_COLOUR_SPREAD * base)


def _num_channels(size: int) -> int:
    return max(_FEWEST_CHANNELS, min(_CHANNELS, _CHANNELS * _FULL_WIDTH_SIZE // size))


def enlarge(maps: Tensor, size: int) -> Tensor:
    """Bring maps (1, channel, height, width) to a size, by doubling or not at all.

    Bilinear doubling is zero-filled doubling followed by the blur (1, 3, 3, 1) of StyleGAN2,
    with repeated borders.
    """
    if maps.shape[-1] == size:
        return maps
    return functional.interpolate(maps, size=(size, size), mode="bilinear", align_corners=False)
