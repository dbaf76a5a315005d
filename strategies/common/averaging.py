"""The one average: vectors of several clients become one.

Every method that averages what clients send does it here, so that another rule than the mean
serves all of them at once.
"""

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from strategies.common.class_table import Rows

Rule = Callable[[Sequence[Tensor], Sequence[float]], Tensor]


def weighted_mean(vectors: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
    """Return the weighted mean, summed in float64 and in the order given."""
    total = torch.zeros_like(vectors[0], dtype=torch.float64)
    for vector, weight in zip(vectors, weights, strict=True):
        total.add_(vector.to(torch.float64), alpha=weight)
    return total.div_(sum(weights)).to(vectors[0].dtype)


RULES: Mapping[str, Rule] = {"mean": weighted_mean}


def average(
    vectors: Sequence[Tensor], weights: Sequence[float] | None = None, rule: str = "mean"
) -> Tensor:
    """Average tensors of one shape.

    Parameters
    ----------
    vectors : Sequence[Tensor]
        At least one; the order must not depend on who answered first.
    weights : Sequence[float] | None
        One positive number for each; ``None`` weighs all alike.
    rule : str
        Key of ``RULES``.

    Returns
    -------
    Tensor
        Of the shape and dtype of each.

    Raises
    ------
    ValueError
        If there is nothing to average, or a weight is missing or not positive.
    """
    if not vectors:
        raise ValueError("averaging: expected at least one vector, got none")
    chosen = [1.0] * len(vectors) if weights is None else list(weights)
    if len(chosen) != len(vectors) or not all(weight > 0 for weight in chosen):
        raise ValueError(
            f"averaging: expected a positive weight for each of {len(vectors)} vectors, got "
            f"{chosen}"
        )
    return RULES[rule](vectors, chosen)


def average_by_class(
    sent: Sequence[Rows], weights: Sequence[Tensor] | None = None, rule: str = "mean"
) -> tuple[Tensor, Tensor]:
    """Average rows of several clients class by class, over those that hold the class.

    Parameters
    ----------
    sent : Sequence[Rows]
        Rows (present, width) of each client with their classes.
    weights : Sequence[Tensor] | None
        (present,) positive weight of each row; ``None`` weighs holders alike.
    rule : str
        Key of ``RULES``.

    Returns
    -------
    tuple[Tensor, Tensor]
        (classes, width) one row for each class that anyone holds, and (classes,) int64 these
        classes, ascending.
    """
    if not sent:
        return torch.zeros(0, 0), torch.zeros(0, dtype=torch.int64)
    rows, held = torch.cat([own.rows for own in sent]), torch.cat([own.labels for own in sent])
    weighed = torch.ones(len(held)) if weights is None else torch.cat(list(weights))
    classes = torch.unique(held)
    means = rows.new_zeros(len(classes), rows.shape[1])
    for place, label in enumerate(classes):
        own = held == label
        means[place] = average(list(rows[own]), weighed[own].tolist(), rule)
    return means, classes
