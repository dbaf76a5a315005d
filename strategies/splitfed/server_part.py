"""The server's part of the network while it learns: one copy for all clients, or one each."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor, nn
from torch.nn import functional

from strategies.common.averaging import average
from strategies.common.errors import ModelError
from strategies.common.split.networks.stacked import StackedModels
from strategies.common.split.sgd import SGD


@final
@dataclass(frozen=True)
class Learnt:
    """What one batch taught.

    Attributes
    ----------
    weights : Tensor
        (1, parameters) d loss / d weights.
    activations : Tensor
        (batch, *latent) d loss / d activations.
    loss : float
        Mean cross-entropy of the batch.
    correct : int
        Samples that were classified correctly before the step.
    """

    weights: Tensor
    activations: Tensor
    loss: float
    correct: int


@final
class ServerPart:
    """Copies of the server's part with their momentum buffers, as rows of two matrices.

    Memory is ``8 * copies * parameters`` bytes.

    Parameters
    ----------
    back : nn.Module
        Structure and initial weights; not changed.
    velocity : Tensor
        (parameters,) momentum buffer that all copies start from.
    copies : int
        How many.
    """

    def __init__(self, back: nn.Module, velocity: Tensor, copies: int) -> None:
        self._network = StackedModels(back, batched=False)
        start = self._network.vector(back)
        self._weights = start.repeat(copies, 1)
        self._velocity = velocity.to(start.device).repeat(copies, 1)

    def gradients(
        self, row: int, activations: Tensor, labels: Tensor, *, share: float = 1.0
    ) -> Learnt:
        """Return the gradients of one copy's mean cross-entropy over a batch.

        Parameters
        ----------
        row : int
            Which copy.
        activations : Tensor
            (batch, *latent) float32.
        labels : Tensor
            (batch,) int64.
        share : float
            Factor on the loss before gradients are taken.

        Raises
        ------
        ModelError
            If the loss is no longer finite.
        """
        weights = self._weights[row : row + 1].detach().requires_grad_()
        smashed = activations.detach().requires_grad_()
        (scores,) = self._network(weights, smashed[None])
        loss = functional.cross_entropy(scores, labels)
        if not torch.isfinite(loss):
            raise ModelError(
                f"splitfed: training diverged: the loss is {loss.item()}; lower learning-rate or "
                f"splitfed.server-learning-rate"
            )
        by_weights, by_activations = torch.autograd.grad(loss * share, (weights, smashed))
        correct = int((scores.argmax(1) == labels).sum())
        return Learnt(by_weights, by_activations, loss.item(), correct)

    def step(self, row: int, gradient: Tensor, rule: SGD, learning_rate: float) -> None:
        """Move one copy along its gradient, (1, parameters)."""
        here = slice(row, row + 1)
        rule.step(self._weights[here], gradient, self._velocity[here], learning_rate)

    def mean(self, rows: Sequence[int], samples: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Return weights and momentum buffer averaged over some copies.

        Parameters
        ----------
        rows : Sequence[int]
            Which copies, at least one.
        samples : Sequence[int]
            Weight of each in the mean.
        """
        weights, velocity = self._weights[list(rows)], self._velocity[list(rows)]
        return average(list(weights), samples), average(list(velocity), samples)
