"""The layers of StyleGAN3's synthesis network: plane waves, and convolutions between grids."""

import math
from typing import Annotated, Self, final

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn import functional

from generators.stylegan.config import NetworkConfig, Width
from generators.stylegan.primitives import FullyConnected
from generators.stylegan.stylegan3_grids import Resampling
from generators.stylegan.stylegan3_rectifier import filtered_rectifier
from generators.stylegan.workspace import Workspace

# The largest published feature map is 128 channels of 1,044 pixels in config R at 1,024.
_MAX_FEATURES = 1 << 28
_Side = Annotated[int, Field(ge=1, le=4096)]


@final
class InputConfig(NetworkConfig):
    """The plane waves a picture starts from.

    Attributes
    ----------
    channels : int
        Number of waves.
    size : int
        Height and width of the map, margins included.
    sampling_rate : float
        Points per unit of length; the picture is one unit wide.
    bandwidth : float
        Frequency from which on waves are faded, in periods per unit of length.
    """

    channels: Width
    size: _Side
    sampling_rate: float = Field(gt=0, le=4096)
    bandwidth: float = Field(ge=0)

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if not self.bandwidth < self.sampling_rate / 2:
            raise ValueError(f"expected bandwidth < sampling_rate / 2, got {self.bandwidth}")
        if self.channels * self.size**2 > _MAX_FEATURES:
            raise ValueError(f"expected at most {_MAX_FEATURES} values in a feature map")
        return self


@final
class LayerConfig(NetworkConfig):
    """One layer.

    Attributes
    ----------
    in_channels, out_channels : int
        Widths.
    in_size, out_size : int
        Height and width of the maps, margins included.
    kernel : int
        Of the convolution.
    clamp : float | None
        Bound on the magnitude of activations.
    resampling : Resampling | None
        Grids of the rectifier; ``None`` for the last layer, which gives colours and has none.
    """

    in_channels: Width
    out_channels: Width
    in_size: _Side
    out_size: _Side
    kernel: int = Field(ge=1, le=9)
    clamp: float | None = Field(default=None, gt=0)
    resampling: Resampling | None = None

    @model_validator(mode="after")
    def _possible(self) -> Self:
        size = self.in_size + self.kernel - 1
        if self.resampling is not None:
            fine, size = self.resampling.fine_size(size), self.resampling.output_size(size)
            if not 0 < fine <= 16384:
                raise ValueError(f"expected 1 to 16,384 fine points, got {fine}")
        if size != self.out_size:
            raise ValueError(f"expected out_size {size} by its filters, got {self.out_size}")
        largest = max(self.in_channels * self.in_size**2, self.out_channels * self.out_size**2)
        if largest > _MAX_FEATURES:
            raise ValueError(f"expected at most {_MAX_FEATURES} values in a feature map")
        return self


@final
class WaveInput(nn.Module):
    """Plane waves that a latent shifts and turns, mixed by a 1x1 convolution (section 3.1).

    Parameters
    ----------
    config : InputConfig
        Geometry.
    w_dim : int
        Width of a latent.
    """

    freqs: Tensor
    phases: Tensor
    transform: Tensor

    def __init__(self, config: InputConfig, w_dim: int) -> None:
        super().__init__()
        self._config = config
        self.affine = FullyConnected(w_dim, 4)
        with torch.no_grad():
            self.affine.weight.zero_()
            self.affine.bias.copy_(torch.tensor([1.0, 0.0, 0.0, 0.0]))
        self.weight = nn.Parameter(torch.randn(config.channels, config.channels))
        directions = torch.randn(config.channels, 2)
        radii = directions.norm(dim=1, keepdim=True)
        # Spreads the waves evenly over the disc of allowed frequencies.
        spread = directions / (radii * radii.square().exp().pow(0.25))
        self.register_buffer("freqs", spread * config.bandwidth)
        self.register_buffer("phases", torch.rand(config.channels) - 0.5)
        self.register_buffer("transform", torch.eye(3))

    def forward(self, w: Tensor) -> Tensor:
        """Map latents (batch, w_dim) to (batch, channel, size, size), channels last."""
        config = self._config
        motion = self._motion(w)
        phases = self.phases + (self.freqs @ motion[:, :2, 2:]).squeeze(2)  # (batch, channel)
        freqs = self.freqs @ motion[:, :2, :2]  # (batch, channel, 2)
        room = config.sampling_rate / 2 - config.bandwidth
        amplitudes = (1 - (freqs.norm(dim=2) - config.bandwidth) / room).clamp(0, 1)
        places = torch.arange(config.size, device=w.device, dtype=w.dtype)
        places = (places - (config.size - 1) / 2) / config.sampling_rate
        turns = phases[:, None] + places[:, None] * freqs[:, None, :, 0]  # (batch, column, channel)
        down = places[:, None] * freqs[:, None, :, 1]  # (batch, row, channel)
        waves = torch.sin((turns[:, None] + down[:, :, None]) * (2 * math.pi))
        waves = waves * amplitudes[:, None, None]
        mixed: Tensor = waves @ (self.weight.T / math.sqrt(config.channels))
        return mixed.permute(0, 3, 1, 2)

    def _motion(self, w: Tensor) -> Tensor:
        """Return the movement of the plane, (batch, 3, 3)."""
        told = self.affine(w)
        cosine, sine, right, down = (told / told[:, :2].norm(dim=1, keepdim=True)).unbind(1)
        one, zero = torch.ones_like(cosine), torch.zeros_like(cosine)
        turn = torch.stack([cosine, -sine, zero, sine, cosine, zero, zero, zero, one], 1)
        shift = torch.stack([one, zero, -right, zero, one, -down, zero, zero, one], 1)
        return turn.view(-1, 3, 3) @ shift.view(-1, 3, 3) @ self.transform


@final
class Layer(nn.Module):
    """A modulated convolution, and a rectifier on a finer grid; or the last, to colours.

    The latent scales input channels; outputs are scaled back to unit variance, as in
    StyleGAN2, so that one convolution serves the batch. Styles are normalised per picture;
    the reference does so over the batch, which changes nothing but a guard against division
    by zero, and couples pictures that are drawn together.

    Parameters
    ----------
    config : LayerConfig
        Geometry.
    w_dim : int
        Width of a latent.
    """

    magnitude_ema: Tensor
    up_taps: Tensor
    down_taps: Tensor

    def __init__(self, config: LayerConfig, w_dim: int) -> None:
        super().__init__()
        self._config = config
        self.affine = FullyConnected(w_dim, config.in_channels, bias=1.0)
        self.weight = nn.Parameter(
            torch.randn(config.out_channels, config.in_channels, config.kernel, config.kernel)
        )
        self.bias = nn.Parameter(torch.zeros(config.out_channels))
        self.register_buffer("magnitude_ema", torch.ones(()))
        grids = config.resampling
        if grids is not None:
            up, down = (grids.up_taps,), (grids.down_taps,) * (2 if grids.radial else 1)
            self.register_buffer("up_taps", torch.full(up, 1 / math.prod(up)))
            self.register_buffer("down_taps", torch.full(down, 1 / math.prod(down)))

    def forward(self, features: Tensor, w: Tensor, workspace: Workspace) -> Tensor:
        """Map (batch, input, side, side) to (batch, output, new side, new side).

        The result lies in the workspace's "outputs" unless it is the picture.
        """
        config = self._config
        style = self.affine(w)
        gain = self.magnitude_ema.rsqrt()
        if config.resampling is None:
            colours = self._convolve(features, style / math.sqrt(self.weight[0].numel()), workspace)
            colours = colours * gain + self.bias[:, None, None]
            return colours if config.clamp is None else colours.clamp(-config.clamp, config.clamp)
        style = style * style.square().mean(1, keepdim=True).rsqrt()
        outputs = self._convolve(features, style, workspace)
        return filtered_rectifier(
            outputs,
            self._normalisation(style) * gain,
            self.bias,
            self.up_taps,
            self.down_taps,
            resampling=config.resampling,
            clamp=config.clamp,
            workspace=workspace,
        )

    def _convolve(self, features: Tensor, style: Tensor, workspace: Workspace) -> Tensor:
        """Scale the input channels by the style and convolve."""
        batch, channels, height, width = features.shape
        scaled = workspace.take("scaled", (batch, height, width, channels), features)
        torch.mul(features.permute(0, 2, 3, 1), style[:, None, None], out=scaled)
        return functional.conv2d(
            scaled.permute(0, 3, 1, 2), self.weight, padding=self._config.kernel - 1
        )

    def _normalisation(self, style: Tensor) -> Tensor:
        """Return the factor of every output channel (batch, output)."""
        powers = self.weight.square().sum((2, 3))  # (output, input)
        # The weights of an output channel count as if their mean square were 1.
        scale = powers.mean(1).div(self._config.kernel**2).rsqrt()
        power = style.square() @ (powers * scale.square()[:, None]).T
        return power.add(1e-8).rsqrt() * scale
