"""Low-rank factors in a few lines: what FedKD does with every matrix of a change."""

from collections.abc import Sequence

import torch
from torch import Tensor


def factors(
    vector: Tensor, shapes: Sequence[torch.Size], energy: float, dtype: torch.dtype = torch.float64
) -> tuple[Tensor, list[int]]:
    """Return the factors of a vector's matrices, one after another, and their ranks.

    Parameters
    ----------
    vector, shapes : Tensor, Sequence[torch.Size]
        Of a model.
    energy : float
        Share of each matrix's squared singular values to keep.
    dtype : torch.dtype
        In which they are found; HtFLlib's is float32.
    """
    found, ranks = [], []
    parts = torch.split(vector, [shape.numel() for shape in shapes])
    for part, shape in zip(parts, shapes, strict=True):
        if len(shape) < 2:
            found.append(part)
            continue
        left, sizes, right = torch.linalg.svd(
            part.view(shape[0], -1).to(dtype), full_matrices=False
        )
        energies = sizes.square().cumsum(0)
        rank = int((energies < energy * energies[-1]).sum()) + 1
        if rank * (len(left) + right.shape[1]) >= len(part):
            found.append(part)
            ranks.append(0)
            continue
        found += [(left[:, :rank] * sizes[:rank]).float().flatten(), right[:rank].float().flatten()]
        ranks.append(rank)
    return torch.cat(found), ranks


def product(numbers: Tensor, ranks: Sequence[int], shapes: Sequence[torch.Size]) -> Tensor:
    """Return the vector that factors stand for."""
    found, place, told = [], 0, iter(ranks)
    for shape in shapes:
        rank, columns = next(told) if len(shape) > 1 else 0, shape.numel() // shape[0]
        if not rank:
            found.append(numbers[place : place + shape.numel()])
            place += shape.numel()
            continue
        middle, end = place + shape[0] * rank, place + (shape[0] + columns) * rank
        left = numbers[place:middle].view(shape[0], rank).double()
        found.append((left @ numbers[middle:end].view(rank, columns).double()).float().flatten())
        place = end
    return torch.cat(found)
