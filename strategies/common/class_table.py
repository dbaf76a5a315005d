"""Prototypes: means of features by class, the loss that pulls towards them, and how they classify.

Pure functions on tensors; both halves use them.
"""

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor
from torch.nn import functional


@final
@dataclass(frozen=True)
class PrototypeTable:
    """One row per class of the task, of which some may be unknown.

    Attributes
    ----------
    rows : Tensor
        (class, feature); zeros where unknown.
    known : Tensor
        (class,) bool.
    """

    rows: Tensor
    known: Tensor

    @staticmethod
    def empty(num_classes: int, feature_dim: int, device: torch.device) -> "PrototypeTable":
        """Return a table that knows no class."""
        rows = torch.zeros(num_classes, feature_dim, device=device)
        return PrototypeTable(rows, torch.zeros(num_classes, dtype=torch.bool, device=device))

    def overlaid(self, prototypes: Tensor, labels: Tensor) -> "PrototypeTable":
        """Return a copy with rows put in place of those of the same class.

        Parameters
        ----------
        prototypes : Tensor
            (present, feature).
        labels : Tensor
            (present,) int64 class of each row.
        """
        where = labels.to(self.rows.device)
        rows = self.rows.index_copy(0, where, prototypes.to(self.rows))
        return PrototypeTable(rows, self.known.index_fill(0, where, value=True))


def prototype_loss(features: Tensor, labels: Tensor, table: PrototypeTable) -> Tensor:
    """Return the distance of features to the prototypes of their classes (L_R in eq. 7 and 8).

    It is the squared difference averaged over all (batch, feature) entries. A sample whose
    class has no prototype adds nothing to the sum and still counts in the average.

    Parameters
    ----------
    features : Tensor
        (batch, feature).
    labels : Tensor
        (batch,) int64.
    table : PrototypeTable
        Global prototypes.

    Examples
    --------
    >>> table = PrototypeTable(torch.tensor([[1.0, 1.0], [0.0, 0.0]]), torch.tensor([True, False]))
    >>> prototype_loss(torch.tensor([[3.0, 1.0], [5.0, 5.0]]), torch.tensor([0, 1]), table)
    tensor(1.)
    """
    known = table.known[labels][:, None]
    targets = torch.where(known, table.rows[labels], features.detach())
    return functional.mse_loss(features, targets)


def distance_scores(features: Tensor, table: PrototypeTable) -> Tensor:
    """Score every class by its prototype's nearness (the largest score is eq. 4's choice).

    A known class scores minus the squared Euclidean distance to its prototype, counted from
    the nearest one; softmax of such scores is the class posterior of unit Gaussians around
    the prototypes (Snell et al., NeurIPS 2017, eq. 2). An unknown class scores one unit less
    than the farthest known class: never chosen, and its cross-entropy stays finite.

    Parameters
    ----------
    features : Tensor
        (batch, feature).
    table : PrototypeTable
        Candidates; at least one class is known.

    Returns
    -------
    Tensor
        (batch, class) scores, at most 0.
    """
    # Direct differences: the expanded square loses digits where features lie far from 0.
    distances = torch.cdist(
        features, table.rows[table.known], compute_mode="donot_use_mm_for_euclid_dist"
    ).square()
    beyond_nearest = distances - distances.amin(1, keepdim=True)
    unknown = -beyond_nearest.amax(1, keepdim=True) - 1
    scores = unknown.repeat(1, len(table.known))
    scores[:, table.known] = -beyond_nearest
    return scores
