"""The grids around StyleGAN3's rectifier, and an axis cut into blocks.

A filter that is applied along both axes is a banded matrix along each. Cut into blocks, it is
one small dense matrix times every window of inputs: neither the zeros between upsampled
points nor the points that downsampling drops are ever computed.
"""

import math
from dataclasses import dataclass
from typing import Annotated, Self, final

import torch
from pydantic import Field
from torch import Tensor

from generators.stylegan.config import NetworkConfig

_Factor = Annotated[int, Field(ge=1, le=8)]
_Taps = Annotated[int, Field(ge=1, le=128)]
_Padding = Annotated[int, Field(ge=-256, le=256)]


@final
class Resampling(NetworkConfig):
    """Grids and filters around a rectifier, the same along both axes.

    Attributes
    ----------
    up, down : int
        Fine points per input point and per output point.
    padding : tuple[int, int]
        Fine points added before and after; negative numbers cut.
    up_taps, down_taps : int
        Lengths of the filters.
    radial : bool
        Whether the filter for downsampling is not one along each axis but the same in all
        directions.
    """

    up: _Factor
    down: _Factor
    padding: tuple[_Padding, _Padding]
    up_taps: _Taps
    down_taps: _Taps
    radial: bool = False

    def fine_size(self, size: int) -> int:
        """Return how many fine points ``size`` input points become."""
        return size * self.up + sum(self.padding) - self.up_taps + 1

    def output_size(self, size: int) -> int:
        """Return how many output points ``size`` input points become."""
        return (self.fine_size(size) - self.down_taps) // self.down + 1


@final
@dataclass(frozen=True)
class Blocks:
    """One axis in blocks.

    Attributes
    ----------
    count : int
        Blocks along the axis.
    inputs, fine, outputs : int
        Points by which a block's window moves on, on each of the three grids.
    input_window : int
        Input points that a block of fine points takes.
    lead : int
        Fine points that a block of output points takes beside as many as it moves on. Along
        columns they are those before the block, so that results come late by ``lead``.
    first : int
        Input point at which the first window starts; negative where it starts in zeros.
    """

    count: int
    inputs: int
    fine: int
    outputs: int
    input_window: int
    lead: int
    first: int

    @classmethod
    def plan(cls, resampling: Resampling, size: int) -> Self:
        """Choose the blocks that cost least for ``size`` input points."""
        step = math.lcm(resampling.up, resampling.down)
        # Shorter blocks are too small a matrix product, longer ones multiply many zeros.
        shortest = -(-12 // step) * step
        plans = [cls._of(resampling, size, fine) for fine in range(shortest, 24 + step, step)]
        # A window's length is the cost of a point, beside a constant for memory traffic.
        return min(plans, key=lambda plan: plan.count * plan.fine * (plan.fine + 30))

    @classmethod
    def _of(cls, resampling: Resampling, size: int, fine: int) -> Self:
        up, before = resampling.up, resampling.padding[0]
        first = -(before // up)

        def end(fine_points: int) -> int:
            return (fine_points - 2 - before + resampling.up_taps) // up + 1 - first

        down, inputs = resampling.down, fine // up
        lead = -(-max(resampling.down_taps - down, 0) // down) * down
        needed = max(resampling.fine_size(size), resampling.output_size(size) * down + lead)
        return cls(
            count=max(-(-needed // fine), -(-end(needed) // inputs)),
            inputs=inputs,
            fine=fine,
            outputs=fine // down,
            input_window=max(end(fine), inputs),
            lead=lead,
            first=first,
        )

    def up_matrix(self, resampling: Resampling, taps: Tensor) -> Tensor:
        """Return the block (fine, input_window) of the upsampling filter."""
        fine = torch.arange(self.fine, device=taps.device)[:, None]
        points = torch.arange(self.input_window, device=taps.device) + self.first
        return _band(taps * resampling.up, points * resampling.up + resampling.padding[0] - fine)

    def down_matrix(self, resampling: Resampling, taps: Tensor) -> Tensor:
        """Return the block (outputs, lead + fine) of the downsampling filter."""
        outputs = torch.arange(self.outputs, device=taps.device)[:, None]
        fine = torch.arange(self.lead + self.fine, device=taps.device)
        return _band(taps, fine - outputs * resampling.down)


def _band(taps: Tensor, places: Tensor) -> Tensor:
    """Look up the taps of a convolution, which meets them in reverse; 0 outside."""
    inside = (places >= 0) & (places < len(taps))
    return taps.flip(0)[places.clamp(0, len(taps) - 1)] * inside
