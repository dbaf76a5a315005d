"""A client's class prototypes: mean directions of its projected features."""

from collections.abc import Iterable

from torch import Tensor

from strategies.common.class_means import means_by_class

# Means of unit vectors that cancel are rounding noise below this length, without direction.
_SHORTEST_MEAN = 1e-6


def class_prototypes(
    batches: Iterable[tuple[Tensor, Tensor]], num_classes: int
) -> tuple[Tensor, Tensor]:
    """Average projections by class and scale each mean to unit length.

    Parameters
    ----------
    batches : Iterable[tuple[Tensor, Tensor]]
        Projections (batch, feature) of unit length and labels (batch,) int64; together the
        whole training set.
    num_classes : int
        Classes of the task.

    Returns
    -------
    tuple[Tensor, Tensor]
        Prototypes (present, feature) float32 and labels (present,) int64, ascending, on the
        CPU. A class without samples is absent, and so is one whose mean has no direction.

    Examples
    --------
    >>> import torch
    >>> rows = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    >>> class_prototypes([(rows, torch.tensor([0, 0, 2]))], num_classes=3)
    (tensor([[0.7071, 0.7071],
            [0.0000, 1.0000]]), tensor([0, 2]))
    """
    own = means_by_class(batches, num_classes)
    lengths = own.rows.norm(dim=1)
    present = lengths > _SHORTEST_MEAN
    prototypes = own.rows[present] / lengths[present, None]
    return prototypes.cpu(), own.labels[present].cpu()
