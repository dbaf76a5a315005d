"""The two thin matrices of every adapted layer, as they are trained, sent and averaged."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor
from torch.nn import functional

from strategies.common.errors import ModelError, WireError
from strategies.fedlora.lora_shape import LoraShape


@final
@dataclass(frozen=True, eq=False)
class LoraFactors:
    """A change of weights: each layer's W becomes W + B A.

    The usual factor alpha / r is already inside B A, so clients of other ranks or other alphas
    cannot be mixed up, and no receiver needs to know either.

    Attributes
    ----------
    shape : LoraShape
        The layers.
    rank : int
        Rank of the factors; a layer narrower than that has its full rank.
    down : tuple[Tensor, ...]
        A of each layer: (rank, in).
    up : tuple[Tensor, ...]
        B of each layer: (out, rank).

    Raises
    ------
    ModelError
        If a matrix is missing, has another shape or holds NaN or infinity.
    """

    shape: LoraShape
    rank: int
    down: tuple[Tensor, ...]
    up: tuple[Tensor, ...]

    def __post_init__(self) -> None:
        num_layers = len(self.shape.targets)
        if (len(self.down), len(self.up)) != (num_layers, num_layers):
            raise ModelError(
                f"LoRA: expected two matrices for each of {num_layers} layers, got "
                f"{len(self.down)} of A and {len(self.up)} of B"
            )
        for (name, expected), matrix in zip(
            self.shape.keys(self.rank), self.matrices(), strict=True
        ):
            if tuple(matrix.shape) != expected:
                raise ModelError(f"{name}: expected {expected}, got {tuple(matrix.shape)}")
            if not bool(torch.isfinite(matrix).all()):
                raise ModelError(
                    f"{name}: expected finite values, got NaN or infinity; lower the learning rate"
                )

    @staticmethod
    def of(shape: LoraShape, rank: int, matrices: Iterable[Tensor]) -> "LoraFactors":
        """Build factors from matrices in the order of ``shape.keys(rank)``."""
        ordered = tuple(matrices)
        return LoraFactors(shape, rank, ordered[0::2], ordered[1::2])

    @staticmethod
    def initial(shape: LoraShape, rank: int, generator: torch.Generator) -> "LoraFactors":
        """Draw the usual start: A uniform in ±1/sqrt(in), B zero, so that no weight changes.

        Parameters
        ----------
        shape : LoraShape
            The layers.
        rank : int
            1 or more.
        generator : torch.Generator
            Source of A, on the CPU.
        """
        matrices = []
        for name, size in shape.keys(rank):
            is_down = name.endswith("lora_A.weight")
            matrices.append(_draw_rows(*size, generator) if is_down else torch.zeros(size))
        return LoraFactors.of(shape, rank, matrices)

    @staticmethod
    def from_rows(shape: LoraShape, rows: Tensor) -> "LoraFactors":
        """Undo :meth:`rows`.

        Parameters
        ----------
        shape : LoraShape
            The layers, of which both sides know the same.
        rows : Tensor
            (rank, width) with the width of the shape.

        Raises
        ------
        WireError
            If there is no row, more than the full rank, another width, or a number where a
            layer of a smaller full rank has none.
        ModelError
            If a value is NaN or infinite.
        """
        rank = len(rows)
        if rows.ndim != 2 or rows.shape[1] != shape.width or not 1 <= rank <= shape.full_rank:
            raise WireError(
                f"LoRA: expected (rank, {shape.width}) values of rank 1 to {shape.full_rank}, got "
                f"{tuple(rows.shape)}; the sender trains another rank or other layers"
            )
        sides = [side for t in shape.targets for side in (t.in_features, t.out_features)]
        columns = torch.split(rows, sides, 1)
        matrices = []
        for target, down, up in zip(shape.targets, columns[0::2], columns[1::2], strict=True):
            kept = target.rank(rank)
            if bool(down[kept:].any()) or bool(up[kept:].any()):
                raise WireError(
                    f"LoRA at {target.name}: expected zeros beyond its full rank of {kept}, got "
                    f"other values"
                )
            matrices += [down[:kept].contiguous(), up[:kept].T.contiguous()]
        return LoraFactors.of(shape, rank, matrices)

    def matrices(self) -> tuple[Tensor, ...]:
        """Return A and B of each layer in turn, in the order of ``shape.keys(rank)``."""
        return tuple(matrix for pair in zip(self.down, self.up, strict=True) for matrix in pair)

    def rows(self) -> Tensor:
        """Return A beside B transposed, layer by layer: (rank, width).

        Rows beyond the full rank of a narrow layer hold zeros there.
        """
        columns = (side for pair in zip(self.down, self.up, strict=True) for side in _sides(*pair))
        padded = (functional.pad(own, (0, 0, 0, self.rank - len(own))) for own in columns)
        return torch.cat(list(padded), 1)

    def products(self) -> tuple[Tensor, ...]:
        """Return the change of each layer's weight, B A: (out, in)."""
        return tuple(up @ down for down, up in zip(self.down, self.up, strict=True))

    def with_idle_redrawn(self, generator: torch.Generator) -> "LoraFactors":
        """Return the same B A with every idle direction ready to be trained.

        A row of A and its column of B that are both zero get no gradient, for each one's
        gradient is a multiple of the other. Zero padding and truncation to a rank beyond that
        of the mean leave such directions. Their rows of A are drawn as at the start.

        Parameters
        ----------
        generator : torch.Generator
            Source of the rows, on the CPU.
        """
        rows = []
        for down, up in zip(self.down, self.up, strict=True):
            idle = (down == 0).all(1) & (up == 0).all(0)
            drawn = _draw_rows(len(down), down.shape[1], generator).to(down)
            rows.append(torch.where(idle[:, None], drawn, down))
        return LoraFactors(self.shape, self.rank, tuple(rows), self.up)


def _sides(down: Tensor, up: Tensor) -> tuple[Tensor, Tensor]:
    return down, up.T


def _draw_rows(num_rows: int, in_features: int, generator: torch.Generator) -> Tensor:
    # Kaiming's uniform rule with a = sqrt(5), which is what LoRA's authors start from.
    bound = in_features**-0.5
    return torch.empty(num_rows, in_features).uniform_(-bound, bound, generator=generator)
