"""FedTGP's own mathematics: prototypes that learn, and the contrast that parts them."""

from collections import OrderedDict
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from strategies.common.distances import distances


def trainable_prototypes(num_classes: int, width: int) -> nn.Module:
    """Return what maps classes (labels,) int64 to prototypes (labels, width): F in section 4.2."""
    vectors = nn.Embedding(num_classes, width)
    refine = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width))
    return nn.Sequential(OrderedDict(vectors=vectors, refine=refine))


def adaptive_margin(means: Tensor, largest: float, rule: Literal["pairs", "nearest"]) -> float:
    """Return the margin of a round (delta in eq. 6 and 7).

    Parameters
    ----------
    means, rule : Tensor, str
        (class, width), prototypes averaged over clients (Q in eq. 6); as in ``FedTGPSettings``.
    largest : float
        Its bound (tau), which it has, too, where there are not two classes.
    """
    if len(means) < 2:
        return largest
    apart = distances(means, means)
    if rule == "nearest":
        apart = apart.fill_diagonal_(torch.inf).amin(1)
    return min(float(apart.max()), largest)


def contrast(rows: Tensor, places: Tensor, prototypes: Tensor, margin: float) -> Tensor:
    """Return the loss of eq. 5: each client's prototype close to its class's, far from others.

    Parameters
    ----------
    rows, places : Tensor
        (rows, width), prototypes of clients (P); (rows,) int64, where those of their classes are.
    prototypes, margin : Tensor, float
        (class, width), those that learn; added to the distance from a row's own (delta).
    """
    apart = distances(rows, prototypes)
    own = functional.one_hot(places, len(prototypes))
    return functional.cross_entropy(-(apart + margin * own), places)
