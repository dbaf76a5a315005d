"""The synthesis network of StyleGAN3 and StyleGAN-XL (Karras et al., NeurIPS 2021, section 3)."""

from typing import Literal, Self, final

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from generators.stylegan.config import NetworkConfig, Width
from generators.stylegan.stylegan3_layers import InputConfig, Layer, LayerConfig, WaveInput
from generators.stylegan.workspace import Workspace


@final
class StyleGAN3Config(NetworkConfig):
    """Geometry of a StyleGAN3 synthesis network.

    Attributes
    ----------
    w_dim : int
        Width of a latent.
    num_ws : int
        Latents that the network takes: one for the waves, one per layer, and in some files
        more, which nothing reads.
    input : InputConfig
        The waves.
    layers : tuple[LayerConfig, ...]
        In their order; the last gives colours.
    image_channels : int
        Of the picture: 3, or 1 for grey.
    output_scale : float
        Factor on the picture.
    """

    w_dim: Width
    num_ws: int = Field(ge=2, le=256)
    input: InputConfig
    layers: tuple[LayerConfig, ...] = Field(min_length=1, max_length=128)
    image_channels: Literal[1, 3] = 3
    output_scale: float = Field(default=0.25, gt=0)

    @model_validator(mode="after")
    def _connected(self) -> Self:
        if self.num_ws <= len(self.layers):
            raise ValueError(
                f"expected num_ws of at least {len(self.layers) + 1} for {len(self.layers)} "
                f"layers, got {self.num_ws}"
            )
        channels, size = self.input.channels, self.input.size
        for place, layer in enumerate(self.layers):
            if (layer.in_channels, layer.in_size) != (channels, size):
                raise ValueError(
                    f"expected layer {place} to take {channels} channels of {size} pixels, got "
                    f"{layer.in_channels} of {layer.in_size}"
                )
            if (layer.resampling is None) != (place == len(self.layers) - 1):
                raise ValueError(f"expected filters in all layers but the last, got layer {place}")
            channels, size = layer.out_channels, layer.out_size
        if channels != self.image_channels:
            raise ValueError(f"expected {self.image_channels} colours at last, got {channels}")
        return self

    @property
    def image_size(self) -> int:
        """Height and width of the picture."""
        return self.layers[-1].out_size


@final
class StyleGAN3Synthesis(nn.Module):
    """From latents to pictures, without gradients.

    Weights start random and filters flat; ``stylegan3_design.random_stylegan3`` gives the
    published filters.

    Parameters
    ----------
    config : StyleGAN3Config
        Geometry.
    """

    def __init__(self, config: StyleGAN3Config) -> None:
        super().__init__()
        self.config = config
        self.input = WaveInput(config.input, config.w_dim)
        self.layers = nn.ModuleList(Layer(layer, config.w_dim) for layer in config.layers)

    @property
    def num_ws(self) -> int:
        """Latents per picture."""
        return self.config.num_ws

    @property
    def image_size(self) -> int:
        """Height and width of a picture."""
        return self.config.image_size

    @torch.no_grad()
    def forward(self, ws: Tensor) -> Tensor:
        """Draw pictures (batch, image channel, side, side), about [-1, 1].

        ``ws`` is (batch, num_ws, w_dim).
        """
        workspace = Workspace()
        features: Tensor = self.input(ws[:, 0])
        for place, layer in enumerate(self.layers, start=1):
            features = layer(features, ws[:, place], workspace)
        return (features * self.config.output_scale).contiguous()
