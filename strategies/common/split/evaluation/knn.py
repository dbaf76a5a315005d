"""Classification by nearest neighbours, which needs no training and so suits every round.

Wu et al., "Unsupervised Feature Learning via Non-Parametric Instance Discrimination",
CVPR 2018, section 3.4: the k neighbours of highest cosine similarity vote for their class
with weight exp(similarity / temperature).
"""

import torch
from torch import Tensor
from torch.nn import functional

from strategies.common.split.evaluation.features import Features
from strategies.common.split.evaluation.hits import Hits, count_hits

# Similarities held at once: 64 MiB of float32.
_CHUNK = 2**24


def nearest_neighbours(
    bank: Features,
    queries: Features,
    *,
    num_classes: int,
    neighbours: int = 200,
    temperature: float = 0.1,
) -> Hits:
    """Classify queries by their neighbours in a bank.

    The loss of a query is the part of the votes that its own class did not get, in [0, 1].

    Parameters
    ----------
    bank : Features
        Samples that vote, at least one; of any length, they are scaled to length 1 here.
    queries : Features
        Samples to classify, at least one.
    num_classes : int
        Classes of the task.
    neighbours : int
        Samples that vote for each query (k); a smaller bank votes as a whole.
    temperature : float
        Divides the similarity; smaller lets the nearest decide.

    Examples
    --------
    With one neighbour a query has the class of the sample that is nearest by angle.
    """
    directions = functional.normalize(bank.features)
    shares = [
        _shares(directions, bank.labels, part, num_classes, neighbours, temperature)
        for part in torch.split(functional.normalize(queries.features), max(1, _CHUNK // len(bank)))
    ]
    votes = torch.cat(shares)
    own = votes.gather(1, queries.labels[:, None])[:, 0]
    return count_hits(votes.argmax(1) == queries.labels, 1 - own, queries.clients)


def _shares(
    bank: Tensor,
    labels: Tensor,
    queries: Tensor,
    num_classes: int,
    neighbours: int,
    temperature: float,
) -> Tensor:
    """Return each class's part of the votes: (queries, class), rows sum to 1."""
    nearest = (queries @ bank.T).topk(min(neighbours, len(bank)), dim=1)
    # Softmax over the neighbours: the same shares as exp(), and no overflow at low temperature.
    weights = (nearest.values / temperature).softmax(1)
    votes = torch.zeros(len(queries), num_classes, device=queries.device)
    return votes.scatter_add_(1, labels[nearest.indices], weights)
