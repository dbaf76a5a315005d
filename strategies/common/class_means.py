"""Means of rows by class, gathered batch by batch in float64."""

from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor

from strategies.common.device import Device
from strategies.common.model import FeatureModel
from strategies.common.training import score_batches


class ClassMeans(NamedTuple):
    """Means of the classes that occur.

    Attributes
    ----------
    rows : Tensor
        (present, width) float32.
    labels : Tensor
        (present,) int64, ascending; class of each row.
    counts : Tensor
        (present,) int64; rows behind each mean.
    """

    rows: Tensor
    labels: Tensor
    counts: Tensor


class ClassSums:
    """Running sums from which class means are taken, in float64.

    Parameters
    ----------
    num_classes, width : int
        Classes, and length of a row.
    device : torch.device
        Where rows will come from.
    """

    def __init__(self, num_classes: int, width: int, device: torch.device) -> None:
        self._sums = torch.zeros(num_classes, width, dtype=torch.float64, device=device)
        self._weights = torch.zeros(num_classes, 1, dtype=torch.float64, device=device)
        self._counts = torch.zeros(num_classes, dtype=torch.int64, device=device)

    def add(self, rows: Tensor, labels: Tensor, weight: float = 1.0) -> None:
        """Add rows (rows, width), which weigh alike, to the sums of their classes (rows,) int64."""
        doubles = rows.detach().double()
        self._sums.index_add_(0, labels, doubles, alpha=weight)
        self._weights.index_add_(
            0, labels, torch.ones_like(labels, dtype=doubles.dtype)[:, None], alpha=weight
        )
        self._counts.index_add_(0, labels, torch.ones_like(labels))

    def means(self) -> ClassMeans:
        """Return the mean of every class that was added to."""
        labels = self._counts.nonzero().flatten()
        means = (self._sums[labels] / self._weights[labels]).float()
        return ClassMeans(means, labels, self._counts[labels])


def means_by_class(batches: Iterable[tuple[Tensor, Tensor]], num_classes: int) -> ClassMeans:
    """Average rows by class.

    Parameters
    ----------
    batches : Iterable[tuple[Tensor, Tensor]]
        Rows (batch, width) and labels (batch,) int64; at least one batch.
    num_classes : int
        Classes of the task.
    """
    sums: ClassSums | None = None
    for rows, labels in batches:
        sums = sums or ClassSums(num_classes, rows.shape[1], rows.device)
        sums.add(rows, labels)
    if sums is None:
        raise ValueError("class means: expected at least one batch, got none")
    return sums.means()


def class_means(device: Device, model: FeatureModel) -> ClassMeans:
    """Average the features of a client's training samples by class, in evaluation mode."""
    batches = score_batches(device, device.train, model, model.features)
    return means_by_class(batches, device.task.num_classes)
