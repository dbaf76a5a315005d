"""A model's numbers as low-rank factors: as few as keep a share of each matrix's energy."""

from collections.abc import Sequence
from math import prod
from typing import Self

import torch
from torch import Tensor

from strategies.common.agreed import Agreed
from strategies.common.payload import Payload, Sizes, payload_base, tensor


@payload_base
class Factors(Payload):
    """The model beside clients' own, or a change of it, of P parameters and S statistics.

    At most ``4(P + S)`` bytes, and 8 for each matrix; exactly as many as the ranks say.

    Attributes
    ----------
    numbers : Tensor
        (numbers,) float, factors one after another.
    ranks : Tensor
        (matrices,) int64, of each matrix; 0 where it travels as it is.
    statistics : Tensor
        (statistics,) float, what the model has measured.
    """

    numbers: Tensor = tensor("float", "numbers", means="update")
    ranks: Tensor = tensor("int64", "matrices", low=0)
    statistics: Tensor = tensor("float", "statistics", means="statistics")

    @classmethod
    def sizes(cls, agreed: Agreed) -> Sizes:
        """Return the model's sizes; of the factors at most as many as it has numbers."""
        own = agreed.beside
        exact = {"matrices": matrices(own.shapes), "statistics": own.statistics}
        return Sizes(exact, {"numbers": own.parameters})

    def fault(self, agreed: Agreed) -> str | None:
        """Refuse factors that are none of the model's, and what it cannot have measured."""
        own = agreed.beside
        return fault(self.numbers, self.ranks, own.shapes) or own.fault_in(self.statistics)

    @classmethod
    def of(cls, parameters: Tensor, statistics: Tensor, energy: float, agreed: Agreed) -> Self:
        """Return parameters (parameters,), or a change of them, as :func:`factorised` has them."""
        numbers, ranks = factorised(parameters, agreed.beside.shapes, energy)
        return cls(numbers=numbers, ranks=ranks, statistics=statistics)

    def restored(self, agreed: Agreed) -> Tensor:
        """Return the parameters (parameters,) that travelled, as near as they are known."""
        return restored(self.numbers, self.ranks, agreed.beside.shapes)


def matrices(shapes: Sequence[torch.Size]) -> int:
    """Return how many of them are matrices, or as convolutions can be taken for some."""
    return sum(len(shape) > 1 for shape in shapes)


def factorised(
    vector: Tensor, shapes: Sequence[torch.Size], energy: float
) -> tuple[Tensor, Tensor]:
    """Approximate parameters (eq. 7 and 8).

    Parameters
    ----------
    vector : Tensor
        (parameters,) of the shapes, one after another.
    shapes : Sequence[torch.Size]
        Of a model.
    energy : float
        Share of each matrix's squared singular values to keep, in (0, 1].

    Returns
    -------
    tuple[Tensor, Tensor]
        (numbers,) what travels, at most as many as there were, and (matrices,) int64 the rank of
        each matrix; 0 where it travels as it is.
    """
    numbers, ranks = [], []
    lengths = [prod(shape) for shape in shapes]
    for value, shape in zip(torch.split(vector, lengths), shapes, strict=True):
        if len(shape) < 2:
            numbers.append(value)
            continue
        matrix = value.view(shape[0], -1).double()
        energies, axes = _principal(matrix)
        kept = energies.cumsum(0)
        rank = int((kept < energy * kept[-1]).sum()) + 1
        if rank * sum(_sides(shape)) >= len(value):
            rank, factors = 0, [value]
        else:
            factors = [factor.float().flatten() for factor in _along(matrix, axes[:, :rank])]
        numbers += factors
        ranks.append(rank)
    return torch.cat(numbers), torch.tensor(ranks, dtype=torch.int64)


def _principal(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """Return squared singular values, largest first, and the singular vectors of the shorter side.

    They are taken from the product of a matrix with itself, at a third of the time of its own
    decomposition. What float64 loses of that has no share of the energy that counts.
    """
    rows, columns = matrix.shape
    square = matrix @ matrix.T if rows <= columns else matrix.T @ matrix
    energies, axes = torch.linalg.eigh(square)
    return energies.clamp_min(0).flip(0), axes.flip(1)


def _along(matrix: Tensor, axes: Tensor) -> tuple[Tensor, Tensor]:
    """Return the factors of a matrix's part along some axes (shorter side, rank)."""
    if len(axes) == len(matrix):
        return axes, axes.T @ matrix
    return matrix @ axes, axes.T


def expected(shapes: Sequence[torch.Size], ranks: Tensor) -> int:
    """Return how many numbers parameters of such ranks come to."""
    told, total = iter(ranks.tolist()), 0
    for shape in shapes:
        rank = next(told) if len(shape) > 1 else 0
        total += rank * sum(_sides(shape)) if rank else prod(shape)
    return total


def restored(numbers: Tensor, ranks: Tensor, shapes: Sequence[torch.Size]) -> Tensor:
    """Return the parameters (parameters,) that factors stand for."""
    told, place, found = iter(ranks.tolist()), 0, []

    def taken(count: int) -> Tensor:
        nonlocal place
        place += count
        return numbers[place - count : place]

    for shape in shapes:
        rank = next(told) if len(shape) > 1 else 0
        if not rank:
            found.append(taken(prod(shape)))
            continue
        rows, columns = _sides(shape)
        left = taken(rows * rank).view(rows, rank).double()
        found.append((left @ taken(rank * columns).view(rank, columns).double()).float().flatten())
    return torch.cat(found)


def _sides(shape: torch.Size) -> tuple[int, int]:
    return shape[0], prod(shape[1:])


def fault(numbers: Tensor, ranks: Tensor, shapes: Sequence[torch.Size]) -> str | None:
    """Return what is wrong with factors for parameters of some shapes, or ``None``."""
    if len(ranks) != matrices(shapes):
        return f"ranks: expected one for each of {matrices(shapes)} matrices, got {len(ranks)}"
    sides = [min(_sides(shape)) for shape in shapes if len(shape) > 1]
    for rank, most in zip(ranks.tolist(), sides, strict=True):
        if rank > most:
            return f"ranks: expected at most {most} for the smaller side of a matrix, got {rank}"
    if len(numbers) != (length := expected(shapes, ranks)):
        return f"numbers: expected {length}, as the ranks say, got {len(numbers)}"
    return None
