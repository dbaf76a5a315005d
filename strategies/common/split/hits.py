"""What a classifier got right, client by client, and which labels it may be asked for."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from strategies.common.errors import WireError
from strategies.common.round import Evaluation


@final
@dataclass(frozen=True)
class Hits:
    """Correct answers and losses by logical client.

    Attributes
    ----------
    evaluations : Mapping[int, Evaluation]
        Correct samples and mean loss of each client, ascending.
    samples : Mapping[int, int]
        Samples of each client, at least 1.
    """

    evaluations: Mapping[int, Evaluation]
    samples: Mapping[int, int]

    @property
    def accuracy(self) -> float:
        """Part of all samples that was right, whoever's they are; in [0, 1]."""
        correct = sum(evaluation.correct for evaluation in self.evaluations.values())
        return correct / sum(self.samples.values())


def count_hits(correct: Tensor, losses: Tensor, clients: Tensor) -> Hits:
    """Count by client.

    Parameters
    ----------
    correct : Tensor
        (samples,) bool; at least one sample.
    losses : Tensor
        (samples,) float.
    clients : Tensor
        (samples,) int64 logical client of each sample.
    """
    owners, rows = torch.unique(clients.cpu(), return_inverse=True)
    samples = rows.bincount()
    right = torch.zeros_like(samples).index_add_(0, rows, correct.cpu().long())
    total = torch.zeros(len(owners), dtype=torch.float64).index_add_(0, rows, losses.cpu().double())
    named = zip(owners.tolist(), right.tolist(), (total / samples).tolist(), strict=True)
    return Hits(
        {client: Evaluation(count, loss) for client, count, loss in named},
        dict(zip(owners.tolist(), samples.tolist(), strict=True)),
    )


def check_labels(where: str, labels: Tensor, num_classes: int) -> None:
    """Refuse labels that are no classes of the task.

    Parameters
    ----------
    where : str
        Start of the message.
    labels : Tensor
        (samples,) int64.
    num_classes : int
        Labels must lie in [0, num_classes).

    Raises
    ------
    WireError
        Naming the range that was found.
    """
    if labels.ndim != 1 or labels.dtype != torch.int64:
        raise WireError(
            f"{where}: expected (samples,) int64 labels, got {tuple(labels.shape)} {labels.dtype}"
        )
    if len(labels) and not 0 <= int(labels.min()) <= int(labels.max()) < num_classes:
        raise WireError(
            f"{where}: expected labels in [0, {num_classes}), got {int(labels.min())} to "
            f"{int(labels.max())}"
        )
