"""The two thin matrices of every adapted layer, as they are trained, sent and averaged."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

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
    def from_vector(shape: LoraShape, rank: int, vector: Tensor) -> "LoraFactors":
        """Undo :meth:`vector`.

        Parameters
        ----------
        shape : LoraShape
            The layers, of which both sides know the same.
        rank : int
            The sender's rank.
        vector : Tensor
            (parameters,) values in the order of ``shape.keys(rank)``.

        Raises
        ------
        WireError
            If the length is that of another rank or of other layers.
        ModelError
            If a value is NaN or infinite.
        """
        expected = (shape.num_parameters(rank),)
        if tuple(vector.shape) != expected:
            raise WireError(
                f"LoRA: expected {expected} values for rank {rank}, got {tuple(vector.shape)}; "
                f"the sender trains another rank or other layers"
            )
        sizes = [size for _, size in shape.keys(rank)]
        parts = torch.split(vector, [rows * columns for rows, columns in sizes])
        return LoraFactors.of(
            shape, rank, (part.reshape(size) for part, size in zip(parts, sizes, strict=True))
        )

    def matrices(self) -> tuple[Tensor, ...]:
        """Return A and B of each layer in turn, in the order of ``shape.keys(rank)``."""
        return tuple(matrix for pair in zip(self.down, self.up, strict=True) for matrix in pair)

    def vector(self) -> Tensor:
        """Return all values as one row: (parameters,), in the order of ``shape.keys(rank)``."""
        return torch.cat([matrix.flatten() for matrix in self.matrices()])

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


def _draw_rows(num_rows: int, in_features: int, generator: torch.Generator) -> Tensor:
    # Kaiming's uniform rule with a = sqrt(5), which is what LoRA's authors start from.
    bound = in_features**-0.5
    return torch.empty(num_rows, in_features).uniform_(-bound, bound, generator=generator)
