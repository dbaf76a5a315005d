"""Decoders: networks that turn a client model's latent back into the image.

The family ``res_normN{blocks}C{channels}`` of ResSFL (Li, Rakin, Chen, Yang, He,
Chakrabarti: "ResSFL: A Resistance Transfer Framework for Defending Model Inversion Attack in
Split Federated Learning", CVPR 2022). Normalisation is by groups within one sample, so that a
decoder answers alike in training and in evaluation: with batch normalisation the two differ,
and a regulariser that reads the weaker one never acts.
"""

import math
import re
from dataclasses import dataclass
from typing import Literal, final

from torch import Tensor, nn
from torch.nn import functional

from strategies.common import seeds
from strategies.common.errors import SettingsError

_NAME = re.compile(r"res_(norm)?N([0-9])C([1-9][0-9]{0,2})")
_CHANNELS_PER_GROUP = 4
# The published decoder has two stages behind its blocks, whether or not the image is larger
# than the latent.
_FEWEST_STAGES = 2


@final
@dataclass(frozen=True)
class DecoderShape:
    """Capacity of a decoder.

    Attributes
    ----------
    blocks : int
        Residual blocks between the first one and the stages that enlarge, N in
        ``res_normN4C64``; at least 0.
    channels : int
        Channels throughout, C in ``res_normN4C64``; at least 1.
    norm : str
        ``"group"`` with 4 channels per group, or ``"none"``.
    """

    blocks: int
    channels: int
    norm: Literal["group", "none"]

    @property
    def name(self) -> str:
        """Name in the manner of ResSFL, e.g. ``res_normN4C64``."""
        return f"res_{'norm' if self.norm == 'group' else ''}N{self.blocks}C{self.channels}"


def parse(name: str) -> DecoderShape:
    """Read a decoder's name, e.g. ``"res_normN4C64"``, or ``"res_N4C64"`` without norm.

    Raises
    ------
    SettingsError
        If it is no such name, or beyond 9 blocks and 999 channels.
    """
    found = _NAME.fullmatch(name)
    if found is None:
        raise SettingsError(
            f"decoder: expected a name such as res_normN4C64 (4 blocks of 64 channels) or "
            f"res_N4C64 (without normalisation), got {name!r}"
        )
    return DecoderShape(int(found[2]), int(found[3]), "group" if found[1] else "none")


@final
class Decoder(nn.Module):
    """From a latent to an image in [0, 1].

    Parameters
    ----------
    shape : DecoderShape
        Capacity.
    latent_shape : tuple[int, int, int]
        (channels, height, width) of one latent.
    image_shape : tuple[int, int, int]
        (channels, height, width) of one image; sides at least those of the latent.
    """

    def __init__(
        self,
        shape: DecoderShape,
        latent_shape: tuple[int, int, int],
        image_shape: tuple[int, int, int],
    ) -> None:
        super().__init__()
        self.image_size = image_shape[1:]
        doublings = _doublings(latent_shape[1:], self.image_size)
        layers: list[nn.Module] = [_Residual(latent_shape[0], shape.channels, shape), nn.ReLU()]
        for _ in range(shape.blocks):
            layers += [_Residual(shape.channels, shape.channels, shape), nn.ReLU()]
        for stage in range(max(_FEWEST_STAGES, doublings)):
            layers += (
                _enlarging(shape)
                if stage < doublings
                else [_Residual(shape.channels, shape.channels, shape)]
            )
            layers.append(nn.ReLU())
        self.body = nn.Sequential(*layers)
        self.last = _Residual(shape.channels, image_shape[0], shape)

    def forward(self, latents: Tensor) -> Tensor:
        """Map latents (samples, *latent) to images (samples, channels, height, width)."""
        features = self.body(latents)
        if features.shape[2:] != self.image_size:
            # A side that is no power of two times the latent's, e.g. 4 to 28.
            features = functional.interpolate(
                features, self.image_size, mode="bilinear", align_corners=False
            )
        images: Tensor = self.last(features).sigmoid()
        return images


def build(
    shape: DecoderShape,
    latent_shape: tuple[int, int, int],
    image_shape: tuple[int, int, int],
    seed: int,
) -> Decoder:
    """Build a decoder with weights fixed by a seed; parameters as of :class:`Decoder`."""
    with seeds.seeded(seed):
        return Decoder(shape, latent_shape, image_shape)


@final
class _Residual(nn.Module):
    """Pre-activation residual block: norm, ReLU, convolution, twice, beside a shortcut."""

    def __init__(self, channels_in: int, channels_out: int, shape: DecoderShape) -> None:
        super().__init__()
        self.branch = nn.Sequential(
            _norm(channels_in, shape),
            nn.ReLU(),
            nn.Conv2d(channels_in, channels_out, 3, padding=1, bias=shape.norm == "none"),
            _norm(channels_out, shape),
            nn.ReLU(),
            nn.Conv2d(channels_out, channels_out, 3, padding=1),
        )
        # Alone on this path the latent keeps the level that normalisation takes away.
        self.shortcut = (
            nn.Identity()
            if channels_in == channels_out
            else nn.Conv2d(channels_in, channels_out, 1)
        )

    def forward(self, features: Tensor) -> Tensor:
        """Map (samples, channels in, height, width) to (samples, channels out, ...)."""
        found: Tensor = self.branch(features) + self.shortcut(features)
        return found


def _enlarging(shape: DecoderShape) -> list[nn.Module]:
    width = shape.channels
    doubled = nn.ConvTranspose2d(width, width, 3, stride=2, padding=1, output_padding=1)
    return [doubled, _norm(width, shape)]


def _norm(channels: int, shape: DecoderShape) -> nn.Module:
    if shape.norm == "none":
        return nn.Identity()
    divides = channels % _CHANNELS_PER_GROUP == 0
    return nn.GroupNorm(channels // _CHANNELS_PER_GROUP if divides else 1, channels)


def _doublings(latent: tuple[int, int], image: tuple[int, int]) -> int:
    ratio = max(image[0] / latent[0], image[1] / latent[1])
    return max(0, math.ceil(math.log2(ratio)))
