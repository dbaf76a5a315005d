"""Means of rows by class, gathered batch by batch in float64."""

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor


@final
@dataclass(frozen=True)
class ClassMeans:
    """Means of the classes that occur.

    Attributes
    ----------
    means : Tensor
        (present, feature) float32.
    labels : Tensor
        (present,) int64, ascending; class of each row.
    weights : Tensor
        (present,) float64; total weight behind each row.
    """

    means: Tensor
    labels: Tensor
    weights: Tensor


@final
class ClassSums:
    """Running sums from which class means are taken, in float64.

    Parameters
    ----------
    num_classes, feature_dim : int
        Classes, and width of a row.
    device : torch.device
        Where rows will come from.
    """

    def __init__(self, num_classes: int, feature_dim: int, device: torch.device) -> None:
        self._sums = torch.zeros(num_classes, feature_dim, dtype=torch.float64, device=device)
        self._weights = torch.zeros(num_classes, dtype=torch.float64, device=device)

    def add(self, rows: Tensor, labels: Tensor, weights: Tensor | None = None) -> None:
        """Add rows to the sums of their classes.

        Parameters
        ----------
        rows : Tensor
            (rows, feature).
        labels : Tensor
            (rows,) int64 class of each row.
        weights : Tensor | None
            (rows,) weight of each row; ``None`` weighs each row 1.
        """
        exact = self._weights.new_ones(len(labels)) if weights is None else weights.double()
        self._sums.index_add_(0, labels, rows.double() * exact[:, None])
        self._weights.index_add_(0, labels, exact)

    def means(self) -> ClassMeans:
        """Return the mean of every class that was added to."""
        labels = self._weights.nonzero().flatten()
        weights = self._weights[labels]
        return ClassMeans((self._sums[labels] / weights[:, None]).float(), labels, weights)
