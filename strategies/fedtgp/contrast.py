"""FedTGP's own mathematics: prototypes that learn, and the contrast that parts them."""

from typing import Literal, final

import torch
from torch import Tensor, nn
from torch.nn import functional


@final
class TrainablePrototypes(nn.Module):
    """A vector for each class, and what makes prototypes of them (F in section 4.2).

    Parameters
    ----------
    num_classes, width : int
        Classes, and length of a prototype.
    """

    def __init__(self, num_classes: int, width: int) -> None:
        super().__init__()
        self.vectors = nn.Embedding(num_classes, width)
        self.refine = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width))

    def forward(self, labels: Tensor) -> Tensor:
        """Return the prototypes (labels, width) of classes (labels,) int64."""
        prototypes: Tensor = self.refine(self.vectors(labels))
        return prototypes


def distances(rows: Tensor, others: Tensor) -> Tensor:
    """Return Euclidean distances (rows, others), whose gradient at 0 is 0."""
    return torch.cdist(rows, others, compute_mode="donot_use_mm_for_euclid_dist")


def adaptive_margin(means: Tensor, largest: float, rule: Literal["pairs", "nearest"]) -> float:
    """Return the margin of a round (delta in eq. 6 and 7).

    Parameters
    ----------
    means : Tensor
        (class, width), each class's prototypes averaged over clients (Q in eq. 6).
    largest : float
        Its bound (tau), which it has, too, where there are not two classes.
    rule : str
        As in ``FedTGPSettings``.
    """
    if len(means) < 2:
        return largest
    apart = distances(means, means)
    if rule == "nearest":
        itself = torch.eye(len(means), dtype=torch.bool, device=means.device)
        apart = apart.masked_fill(itself, torch.inf).amin(1)
    return min(float(apart.max()), largest)


def contrast(rows: Tensor, places: Tensor, prototypes: Tensor, margin: float) -> Tensor:
    """Return the loss of eq. 5: each client's prototype close to its class's, far from others.

    Parameters
    ----------
    rows : Tensor
        (rows, width), prototypes of clients (P).
    places : Tensor
        (rows,) int64, for each that of its class among the prototypes.
    prototypes : Tensor
        (class, width), those that learn.
    margin : float
        Added to the distance from a row's own (delta).
    """
    apart = distances(rows, prototypes)
    own = functional.one_hot(places, len(prototypes))
    return functional.cross_entropy(-(apart + margin * own), places)
