"""The synthesis network of StyleGAN2 (Karras et al., CVPR 2020, section 2 and figure 2)."""

import math
from typing import Literal, Self, final

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn import functional

from generators.stylegan.config import NetworkConfig, Width
from generators.stylegan.primitives import LEAK, FullyConnected, resample

_START_SIZE = 4
# Binomial, the reference's; its sum is 1.
_TAPS = (0.125, 0.375, 0.375, 0.125)


@final
class StyleGAN2Config(NetworkConfig):
    """Geometry of a StyleGAN2 synthesis network.

    Attributes
    ----------
    w_dim : int
        Width of a latent.
    channels : tuple[int, ...]
        Width of the feature maps at 4, 8, 16, ... pixels; the last is the picture's size.
    image_channels : int
        Of the picture: 3, or 1 for grey.
    architecture : {"skip", "resnet", "orig"}
        Whether colours are summed over sizes, or features, or neither.
    noise : bool
        Whether layers add a noise image that is part of the network.
    clamp : float | None
        Bound on the magnitude of activations.
    """

    w_dim: Width
    channels: tuple[Width, ...] = Field(min_length=1, max_length=12)
    image_channels: Literal[1, 3] = 3
    architecture: Literal["skip", "resnet", "orig"] = "skip"
    noise: bool = True
    clamp: float | None = Field(default=None, gt=0)

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        if self.image_size > 2048:
            raise ValueError(f"expected pictures of at most 2,048 pixels, got {self.image_size}")
        return self

    @property
    def image_size(self) -> int:
        """Height and width of the picture."""
        return _START_SIZE << (len(self.channels) - 1)

    @property
    def num_ws(self) -> int:
        """Latents that the network takes: one per convolution and one for the last colours."""
        return 2 * len(self.channels)


@final
class ModulatedConvolution(nn.Module):
    """A convolution whose input channels a latent scales, and whose outputs it normalises.

    Scaling inputs and outputs instead of the weights lets all pictures of a batch share one
    convolution (section 2.2, equations 1 and 3, is the same in exact arithmetic).

    Parameters
    ----------
    inputs, outputs, kernel, w_dim : int
        Widths and the kernel's size.
    up : bool
        Whether the picture doubles in size on the way.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, w_dim: int, *, up: bool) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, kernel, kernel))
        self.affine = FullyConnected(w_dim, inputs, bias=1.0)
        self._up = up

    def forward(self, features: Tensor, style: Tensor, taps: Tensor) -> Tensor:
        """Map (batch, input, side, side) to (batch, output, new side, new side)."""
        scaled = features * style[:, :, None, None]
        if not self._up:
            return functional.conv2d(scaled, self.weight, padding=self.weight.shape[2] // 2)
        # Zeros between pixels, the kernel and the low-pass filter are all convolutions: in
        # this order most of the work is done at the smaller size.
        outputs = functional.conv_transpose2d(scaled, self.weight.transpose(0, 1), stride=2)
        return resample(outputs, taps, padding=(1, 1, 1, 1), gain=4)

    def demodulation(self, style: Tensor) -> Tensor:
        """Return what brings outputs back to unit variance: (batch, output, 1, 1)."""
        power = style.square() @ self.weight.square().sum((2, 3)).T
        return power.add(1e-8).rsqrt()[:, :, None, None]


@final
class Layer(nn.Module):
    """Modulated convolution, noise, bias and rectifier."""

    noise: Tensor | None

    def __init__(
        self, config: StyleGAN2Config, inputs: int, outputs: int, size: int, *, up: bool
    ) -> None:
        super().__init__()
        self.conv = ModulatedConvolution(inputs, outputs, 3, config.w_dim, up=up)
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.register_buffer("noise", torch.randn(size, size) if config.noise else None)
        self.noise_strength = nn.Parameter(torch.zeros(())) if config.noise else None
        self._clamp = config.clamp

    def forward(self, features: Tensor, w: Tensor, taps: Tensor, gain: float = 1.0) -> Tensor:
        """Return (batch, output, side, side)."""
        style = self.conv.affine(w)
        offset = self.bias[None, :, None, None]
        if self.noise is not None and self.noise_strength is not None:
            offset = offset + self.noise * self.noise_strength
        # In the layout of the features, lest the sum takes another one.
        offset = (offset * math.sqrt(2)).contiguous(memory_format=torch.channels_last)
        # The rectifier keeps positive factors, so its gain goes in with the others: each
        # further pass over a picture costs as much as a small convolution.
        scale = self.conv.demodulation(style) * math.sqrt(2)
        outputs = torch.addcmul(offset, self.conv(features, style, taps), scale)
        outputs = functional.leaky_relu(outputs, LEAK, inplace=True)
        if self._clamp is not None:
            outputs = outputs.clamp_(-self._clamp, self._clamp)
        return outputs if gain == 1 else outputs * gain


@final
class ToColours(nn.Module):
    """A modulated 1x1 convolution to the picture's channels."""

    def __init__(self, config: StyleGAN2Config, inputs: int) -> None:
        super().__init__()
        self.conv = ModulatedConvolution(inputs, config.image_channels, 1, config.w_dim, up=False)
        self.bias = nn.Parameter(torch.zeros(config.image_channels))
        self._clamp = config.clamp

    def forward(self, features: Tensor, w: Tensor, taps: Tensor) -> Tensor:
        """Return (batch, image channel, side, side)."""
        style = self.conv.affine(w) / math.sqrt(features.shape[1])
        colours: Tensor = self.conv(features, style, taps) + self.bias[:, None, None]
        return colours if self._clamp is None else colours.clamp(-self._clamp, self._clamp)


@final
class Block(nn.Module):
    """All layers of one size."""

    def __init__(self, config: StyleGAN2Config, place: int) -> None:
        super().__init__()
        size, outputs = _START_SIZE << place, config.channels[place]
        inputs = config.channels[place - 1] if place else 0
        last = place == len(config.channels) - 1
        self.const = None if place else nn.Parameter(torch.randn(outputs, size, size))
        self.conv0 = Layer(config, inputs, outputs, size, up=True) if place else None
        self.conv1 = Layer(config, outputs, outputs, size, up=False)
        coloured = last or config.architecture == "skip"
        self.torgb = ToColours(config, outputs) if coloured else None
        skips = place > 0 and config.architecture == "resnet"
        self.skip = nn.Parameter(torch.randn(outputs, inputs, 1, 1)) if skips else None

    def forward(
        self, features: Tensor, colours: Tensor | None, ws: list[Tensor], taps: Tensor
    ) -> tuple[Tensor, Tensor | None]:
        """Return features (batch, channel, side, side) and the picture so far.

        ``ws`` holds one latent per convolution of the block, and one for its colours.
        """
        carried, gain = None, 1.0
        if self.skip is not None:
            weight = self.skip / math.sqrt(self.skip.shape[1])
            carried = _double(functional.conv2d(features, weight), taps) * math.sqrt(0.5)
            gain = math.sqrt(0.5)
        if self.conv0 is not None:
            features = self.conv0(features, ws[0], taps)
        features = self.conv1(features, ws[-2], taps, gain)
        if carried is not None:
            features = features + carried
        if colours is not None:
            colours = _double(colours, taps)
        if self.torgb is not None:
            added = self.torgb(features, ws[-1], taps)
            colours = added if colours is None else colours + added
        return features, colours


@final
class StyleGAN2Synthesis(nn.Module):
    """From latents to pictures.

    Parameters
    ----------
    config : StyleGAN2Config
        Geometry.
    """

    taps: Tensor

    def __init__(self, config: StyleGAN2Config) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("taps", torch.tensor(_TAPS))
        self.blocks = nn.ModuleList(Block(config, place) for place in range(len(config.channels)))

    @property
    def num_ws(self) -> int:
        """Latents per picture."""
        return self.config.num_ws

    @property
    def image_size(self) -> int:
        """Height and width of a picture."""
        return self.config.image_size

    def forward(self, ws: Tensor) -> Tensor:
        """Draw pictures (batch, image channel, side, side), about [-1, 1], from ``ws``.

        ``ws`` is (batch, num_ws, w_dim). A block's colours share their latent with the
        next block's first convolution.
        """
        features: Tensor = self.blocks[0].get_parameter("const").expand(len(ws), -1, -1, -1)
        # Convolutions are faster so, on a CPU by a third.
        features = features.contiguous(memory_format=torch.channels_last)
        colours: Tensor | None = None
        latents = list(ws.unbind(1))
        start = 0
        for place, block in enumerate(self.blocks):
            taken = 3 if place else 2
            features, colours = block(features, colours, latents[start : start + taken], self.taps)
            start += taken - 1
        if colours is None:
            raise AssertionError("the last block draws colours")
        return colours


def _double(images: Tensor, taps: Tensor) -> Tensor:
    """Double the side of (batch, channel, side, side), smoothly."""
    return resample(images, taps, up=2, padding=(2, 1, 2, 1), gain=4)
