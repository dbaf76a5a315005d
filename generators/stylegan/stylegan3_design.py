"""StyleGAN3 networks of the published sizes with random weights.

What a trained file stores is computed here: which frequencies each feature map holds, and
from them grids, widths and filters (Karras et al., NeurIPS 2021, section 3.2 and appendix
C; for StyleGAN-XL: Sauer et al., SIGGRAPH 2022, section 3.2).
"""

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, final

from torch import Tensor

from generators.stylegan.stylegan3 import StyleGAN3Config, StyleGAN3Synthesis
from generators.stylegan.stylegan3_filters import low_pass, radial_low_pass
from generators.stylegan.stylegan3_grids import Resampling
from generators.stylegan.stylegan3_layers import InputConfig, LayerConfig
from strategies.common import seeds

_MARGIN = 10
_FIRST_CUTOFF = 2.0
_FIRST_STOPBAND = 2**2.1
_LAST_STOPBAND = 2**0.3
_CRITICAL_LAYERS = 2
_TAPS_PER_FACTOR = 6
_CLAMP = 256.0


@final
@dataclass(frozen=True)
class Signal:
    """What a feature map holds.

    Attributes
    ----------
    cutoff, half_width : float
        Middle and half width of the band in which its frequencies end, in periods per
        picture width.
    rate : int
        Points per picture width.
    size : int
        Points in all, margins included.
    channels : int
        Width.
    """

    cutoff: float
    half_width: float
    rate: int
    size: int
    channels: int


@final
@dataclass(frozen=True)
class StyleGAN3Design:
    """The choices that fix a network.

    Attributes
    ----------
    image_size : int
        Height and width of the picture: a power of two.
    rotates : bool
        Config R: 1x1 convolutions and radial filters, so that features turn with the waves.
    channel_base, channel_max : int
        A map that ends at frequency f has ``channel_base / 2 f`` channels, at most
        ``channel_max``.
    w_dim : int
        Width of a latent.
    num_layers : int
        Layers beside the one that gives colours.
    head : tuple[int, int] | None
        StyleGAN-XL's super-resolution: picture size and layers of the head. It replaces the
        last layers of a network for ``image_size`` pixels.
    """

    image_size: int
    rotates: bool
    channel_base: int
    channel_max: int
    w_dim: int = 512
    num_layers: int = 14
    head: tuple[int, int] | None = None

    def signals(self) -> tuple[list[Signal], set[int]]:
        """Return the map of the waves, that of each layer, and which layers are critical.

        Critically sampled layers use the whole band of their grid; their filters cannot
        be radial.
        """
        start = self._signal(_FIRST_CUTOFF, _FIRST_STOPBAND, self.image_size)
        body = self._sequence(start, _FIRST_STOPBAND, self.image_size, self.num_layers)
        if self.head is not None:
            image_size, num_layers = self.head
            body = body[: -_CRITICAL_LAYERS - 1]
            stopband = body[-1].cutoff + body[-1].half_width
            body += self._sequence(body[-1], stopband, image_size, num_layers)
        critical = set(range(len(body) - _CRITICAL_LAYERS - 1, len(body)))
        return [start, *body], critical

    def _sequence(
        self, start: Signal, stopband: float, image_size: int, num_layers: int
    ) -> list[Signal]:
        """Return the maps of ``num_layers`` layers and the picture, from ``start`` upwards."""
        signals = [start]
        for place in range(1, num_layers + 1):
            share = min(place / (num_layers - _CRITICAL_LAYERS), 1)
            cutoff = start.cutoff * (image_size / 2 / start.cutoff) ** share
            limit = stopband * (image_size / 2 * _LAST_STOPBAND / stopband) ** share
            signals.append(self._signal(cutoff, limit, image_size))
        last = signals[-1]
        for place, channels in ((-2, signals[-2].channels), (-1, 3)):
            signals[place] = Signal(last.cutoff, last.half_width, last.rate, image_size, channels)
        return signals

    def _signal(self, cutoff: float, stopband: float, image_size: int) -> Signal:
        rate = 2 ** math.ceil(math.log2(min(2 * stopband, image_size)))
        channels = round(min(self.channel_base / 2 / cutoff, self.channel_max))
        half_width = max(stopband, rate / 2) - cutoff
        return Signal(cutoff, half_width, rate, rate + 2 * _MARGIN, channels)


def published_design(family: Literal["t", "r", "xl"], image_size: int) -> StyleGAN3Design:
    """Return the design of a published network.

    Parameters
    ----------
    family : {"t", "r", "xl"}
        StyleGAN3's configs T and R; StyleGAN-XL with config T's layers, of which sizes above
        16 are a stem of 16 pixels and one head.
    image_size : int
        Height and width of the picture.
    """
    if family == "t":
        return StyleGAN3Design(image_size, False, 32768, 512)
    if family == "r":
        return StyleGAN3Design(image_size, True, 65536, 1024)
    head = (image_size, 7) if image_size > 16 else None
    return StyleGAN3Design(16, False, 65536, 1024, num_layers=10, head=head)


def random_stylegan3(design: StyleGAN3Design, seed: int) -> StyleGAN3Synthesis:
    """Build a network with random weights and the filters of its design."""
    signals, critical = design.signals()
    planned = [
        _layer(source, target, place, design, critical)
        for place, (source, target) in enumerate(pairwise(signals))
    ]
    start = signals[0]
    config = StyleGAN3Config(
        w_dim=design.w_dim,
        num_ws=len(planned) + 1,
        input=InputConfig(
            channels=start.channels,
            size=start.size,
            sampling_rate=float(start.rate),
            bandwidth=start.cutoff,
        ),
        layers=tuple(layer for layer, _ in planned),
    )
    with seeds.seeded(seed):
        network = StyleGAN3Synthesis(config)
    filters = {
        f"layers.{place}.{name}": taps
        for place, (_, found) in enumerate(planned)
        for name, taps in found.items()
    }
    network.load_state_dict({**network.state_dict(), **filters})
    return network


def _layer(
    source: Signal, target: Signal, place: int, design: StyleGAN3Design, critical: set[int]
) -> tuple[LayerConfig, dict[str, Tensor]]:
    colours = place == max(critical)
    kernel = 1 if colours or design.rotates else 3
    if colours:
        return _layer_config(source, target, kernel, None), {}
    fine_rate = 2 * max(source.rate, target.rate)
    up, down = fine_rate // source.rate, fine_rate // target.rate
    up_taps = low_pass(_TAPS_PER_FACTOR * up, source.cutoff, source.half_width, fine_rate)
    radial = design.rotates and place not in critical
    shape = radial_low_pass if radial else low_pass
    down_taps = shape(_TAPS_PER_FACTOR * down, target.cutoff, target.half_width, fine_rate)
    grown = (source.size + kernel - 1) * up
    total = (target.size - 1) * down + 1 - grown + len(up_taps) + len(down_taps) - 2
    before = (total + up) // 2
    resampling = Resampling(
        up=up,
        down=down,
        padding=(before, total - before),
        up_taps=len(up_taps),
        down_taps=len(down_taps),
        radial=radial,
    )
    filters = {"up_taps": up_taps, "down_taps": down_taps}
    return _layer_config(source, target, kernel, resampling), filters


def _layer_config(
    source: Signal, target: Signal, kernel: int, resampling: Resampling | None
) -> LayerConfig:
    return LayerConfig(
        in_channels=source.channels,
        out_channels=target.channels,
        in_size=source.size,
        out_size=target.size,
        kernel=kernel,
        clamp=_CLAMP,
        resampling=resampling,
    )
