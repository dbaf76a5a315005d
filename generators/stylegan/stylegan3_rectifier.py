"""The rectifier of StyleGAN3: on a finer grid, between two low-pass filters.

Section 3.2 of the paper: a pointwise nonlinearity makes frequencies that a picture's own grid
cannot hold, so it is applied on a finer one, and what the coarse grid cannot hold is filtered
away. Filtering is products of small matrices and windows of points, see ``stylegan3_grids``:
on a CPU several times faster than depthwise convolutions along each axis.

Windows overlap. They are views of rows laid end to end: a window that runs over the end of its
row sees the start of the next one, which reaches no result that is kept. In the same way the
pictures of a batch are one tall picture, worked on a few strips of rows at a time, so that fine
points stay in a core's cache.
"""

import math
from typing import Protocol, final

import torch
from torch import Tensor
from torch.nn import functional

from generators.stylegan.primitives import LEAK
from generators.stylegan.stylegan3_grids import Blocks, Resampling
from generators.stylegan.workspace import Workspace

# How large a piece of fine points is: an accelerator needs large ones to be busy.
_CPU_PIECE_BYTES = 1 << 21
_ACCELERATOR_PIECE_BYTES = 1 << 28


def filtered_rectifier(
    features: Tensor,
    scale: Tensor,
    bias: Tensor,
    up_taps: Tensor,
    down_taps: Tensor,
    *,
    resampling: Resampling,
    clamp: float | None,
    workspace: Workspace,
) -> Tensor:
    """Scale, shift, upsample, rectify and downsample feature maps, without gradients.

    Parameters
    ----------
    features : Tensor
        (batch, channel, side, side).
    scale : Tensor
        (batch, channel), multiplied first.
    bias : Tensor
        (channel,), added next.
    up_taps : Tensor
        (up_taps,), applied along both axes.
    down_taps : Tensor
        (down_taps,), or (down_taps, down_taps) for a radial filter.
    resampling : Resampling
        The grids.
    clamp : float | None
        Bound on the magnitude of what the rectifier gives.
    workspace : Workspace
        Where all is computed.

    Returns
    -------
    Tensor
        (batch, channel, new side, new side), channels last, in the workspace's "outputs".
    """
    pixels = features.permute(0, 2, 3, 1)  # (batch, side, side, channel)
    blocks = Blocks.plan(resampling, pixels.shape[1])
    strips, pictures = _pieces(pixels, blocks)
    up = _Upsampler(
        pixels, pictures, strips, blocks.up_matrix(resampling, up_taps), blocks, workspace
    )
    gain = math.sqrt(2)
    down: _Down
    if resampling.radial:
        down = _RadialDownsampler(pixels, strips, down_taps * gain, resampling, blocks, workspace)
    else:
        matrix = blocks.down_matrix(resampling, down_taps)
        down = _Downsampler(pixels, strips, matrix * math.sqrt(gain), blocks, workspace)
    side = blocks.count * blocks.outputs
    outputs = workspace.take("outputs", (len(pixels), side, side, pixels.shape[3]), pixels)
    for start in range(0, len(pixels), pictures):
        part = slice(start, min(start + pictures, len(pixels)))
        up.fill(pixels[part], scale[part], bias)
        rows = outputs[part].view(-1, blocks.outputs, side, pixels.shape[3])
        for first in range(0, len(rows), strips):
            done = rows[first : first + strips]
            fine = down.points(len(done))
            up.draw(first, len(done), fine)
            functional.leaky_relu_(fine, LEAK)
            if clamp is not None:
                # The rectifier's gain of the root of 2 is part of the filter.
                fine.clamp_(-clamp / gain, clamp / gain)
            down.draw(done)
    late, size = blocks.lead // resampling.down, resampling.output_size(pixels.shape[1])
    return outputs[:, late : late + size, :size].permute(0, 3, 1, 2)


def _pieces(pixels: Tensor, blocks: Blocks) -> tuple[int, int]:
    """Return how many strips, and how many pictures' inputs, are worked on at a time."""
    batch, channels = len(pixels), pixels.shape[3]
    budget = _ACCELERATOR_PIECE_BYTES
    if pixels.device.type == "cpu":
        budget = _CPU_PIECE_BYTES * torch.get_num_threads()
    strip = blocks.fine * blocks.count * blocks.fine * channels * pixels.element_size()
    strips = max(1, budget // strip)
    pictures = min(max(1, strips // blocks.count), batch)
    # No more than there are in a piece: windows may touch points that nothing was drawn to.
    return min(strips, pictures * blocks.count), pictures


@final
class _Upsampler:
    """Draws fine points from pictures with zeros around them."""

    def __init__(
        self,
        pixels: Tensor,
        pictures: int,
        strips: int,
        matrix: Tensor,
        blocks: Blocks,
        workspace: Workspace,
    ) -> None:
        self._blocks = blocks
        self._matrix = matrix
        self._channels = pixels.shape[3]
        self._side = blocks.count * blocks.inputs
        tail = blocks.input_window - blocks.inputs
        # The zeros stay, whatever is filled in.
        shape = (pictures * self._side + tail, self._side, self._channels)
        self._inputs = workspace.take("inputs", shape, pixels).zero_()
        points = strips * blocks.fine * self._side
        self._tall = workspace.take("tall", (points + tail, self._channels), pixels)
        self._tall[points:].zero_()

    def fill(self, pixels: Tensor, scale: Tensor, bias: Tensor) -> None:
        """Put in pictures (picture, side, side, channel), scaled and shifted."""
        skipped, margin = max(self._blocks.first, 0), max(-self._blocks.first, 0)
        kept = max(min(pixels.shape[1] - skipped, self._side - margin), 0)
        shape = (len(pixels), self._side, *self._inputs.shape[1:])
        inputs = self._inputs[: len(pixels) * self._side].view(shape)
        torch.addcmul(
            bias,
            pixels[:, skipped : skipped + kept, skipped : skipped + kept],
            scale[:, None, None],
            out=inputs[:, margin : margin + kept, margin : margin + kept],
        )

    def draw(self, first: int, count: int, fine: Tensor) -> None:
        """Write the points (point, channel) of some strips into ``fine``."""
        blocks, channels = self._blocks, self._channels
        rows = _windows(
            self._inputs[first * blocks.inputs :], count, blocks.inputs, blocks.input_window
        )
        tall = self._tall[: count * blocks.fine * self._side]
        _multiply(self._matrix, rows, tall.view(count, blocks.fine, -1))
        columns = count * blocks.fine * blocks.count
        windows = _windows(self._tall, columns, blocks.inputs, blocks.input_window)
        _multiply(self._matrix, windows, fine.view(columns, blocks.fine, channels))


class _Down(Protocol):
    """What shortens fine points, strips after strips."""

    def points(self, count: int) -> Tensor:
        """Return where the next ``count`` strips of fine points belong, (point, channel)."""
        ...

    def draw(self, outputs: Tensor) -> None:
        """Write (strip, row, column, channel) from the points, late by the blocks' lead."""
        ...


@final
class _Downsampler:
    """Shortens rows, and then columns of what remains and of the last strip's end."""

    def __init__(
        self, pixels: Tensor, strips: int, matrix: Tensor, blocks: Blocks, workspace: Workspace
    ) -> None:
        self._blocks = blocks
        self._matrix = matrix
        channels = pixels.shape[3]
        points = strips * blocks.fine * blocks.count * blocks.fine
        self._fine = workspace.take("fine", (points + blocks.lead, channels), pixels)
        self._fine[points:].zero_()
        shape = (blocks.lead + strips * blocks.fine, blocks.count * blocks.outputs, channels)
        self._rows = workspace.take("rows", shape, pixels)
        self._rows[: blocks.lead].zero_()

    def points(self, count: int) -> Tensor:
        """Return where the next ``count`` strips of fine points belong, (point, channel)."""
        return self._fine[: count * self._blocks.fine * self._blocks.count * self._blocks.fine]

    def draw(self, outputs: Tensor) -> None:
        """Write (strip, row, column, channel) from the points, late by the blocks' lead."""
        blocks, count = self._blocks, len(outputs)
        window = blocks.lead + blocks.fine
        columns = count * blocks.fine * blocks.count
        rows = self._rows[blocks.lead : blocks.lead + count * blocks.fine]
        points = _windows(self._fine, columns, blocks.fine, window)
        _multiply(self._matrix, points, rows.view(columns, blocks.outputs, -1))
        strips = _windows(self._rows, count, blocks.fine, window)
        _multiply(self._matrix, strips, outputs.view(count, blocks.outputs, -1))
        _carry(self._rows, blocks.lead, count * blocks.fine)


@final
class _RadialDownsampler:
    """Convolves strips, behind the end of the last one, with a filter of two axes."""

    def __init__(
        self,
        pixels: Tensor,
        strips: int,
        taps: Tensor,
        resampling: Resampling,
        blocks: Blocks,
        workspace: Workspace,
    ) -> None:
        self._blocks = blocks
        self._step = resampling.down
        channels = pixels.shape[3]
        self._kernel = taps.flip((0, 1)).expand(channels, 1, *taps.shape)
        shape = (blocks.lead + strips * blocks.fine, blocks.count * blocks.fine, channels)
        self._fine = workspace.take("fine", shape, pixels)
        self._fine[: blocks.lead].zero_()

    def points(self, count: int) -> Tensor:
        """Return where the next ``count`` strips of fine points belong, (point, channel)."""
        lead = self._blocks.lead
        return self._fine[lead : lead + count * self._blocks.fine].flatten(0, 1)

    def draw(self, outputs: Tensor) -> None:
        """Write (strip, row, column, channel) from the points, late by the blocks' lead."""
        new = len(outputs) * self._blocks.fine
        fine = self._fine[: self._blocks.lead + new].unsqueeze(0).permute(0, 3, 1, 2)
        drawn = functional.conv2d(fine, self._kernel, stride=self._step, groups=fine.shape[1])
        rows = outputs.flatten(0, 1)
        rows[:, : drawn.shape[3]] = drawn[0, :, : len(rows)].permute(1, 2, 0)
        _carry(self._fine, self._blocks.lead, new)


def _carry(rows: Tensor, lead: int, new: int) -> None:
    """Move the last rows of what was worked on to the front."""
    # They overlap where the lead is longer than a strip.
    rows[:lead] = rows[new : new + lead].clone()


def _windows(rows: Tensor, count: int, step: int, length: int) -> Tensor:
    """Return ``count`` windows (window, row, rest) of rows, ``step`` rows apart."""
    rest = rows[0].numel()
    return rows.as_strided((count, length, rest), (step * rest, rest, 1))


def _multiply(matrix: Tensor, windows: Tensor, target: Tensor) -> None:
    """Write the product of one matrix and every window into ``target``."""
    torch.bmm(matrix.expand(len(windows), -1, -1), windows, out=target)
