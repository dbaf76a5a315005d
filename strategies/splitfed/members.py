"""The clients that one node has in one cohort: their models, batches and steps."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from strategies.common.device import Device
from strategies.common.samples import normalise
from strategies.common.split import batches
from strategies.common.split.networks.fronts import Fronts
from strategies.common.split.sgd import SGD


@final
@dataclass(frozen=True)
class Batch:
    """One step's samples of all members.

    Attributes
    ----------
    inputs : Tensor
        (members, batch, channels, height, width), normalised.
    labels : Tensor
        (members, batch) int64.
    """

    inputs: Tensor
    labels: Tensor


@final
class Members:
    """Client models side by side, each on its own client's samples.

    Parameters
    ----------
    clients : Sequence[Device]
        Logical clients, ascending.
    fronts : Fronts
        How their models are computed.
    weights : Tensor
        (members, parameters) client models; a copy of them is trained.
    velocity : Tensor
        (members, parameters) momentum buffers; a copy of them is kept up.
    rule : SGD
        How weights move.
    batch : int
        Samples per client and step.

    Attributes
    ----------
    weights : Tensor
        (members, parameters) as the last step left them.
    velocity : Tensor
        (members, parameters) likewise.
    gradient_norms : list[float]
        Length of all members' gradient together, of each step taken.
    """

    def __init__(
        self,
        clients: Sequence[Device],
        fronts: Fronts,
        weights: Tensor,
        velocity: Tensor,
        rule: SGD,
        batch: int,
    ) -> None:
        self._clients = clients
        self._fronts = fronts
        self._rule = rule
        self._batch = batch
        self.weights = weights.detach().clone().requires_grad_()
        self.velocity = velocity.clone()
        self.gradient_norms: list[float] = []

    @property
    def samples(self) -> list[int]:
        """Training samples of each client."""
        return [len(client.train) for client in self._clients]

    def prepare(self, step: int) -> Batch:
        """Return a step's samples; any step may be asked for, in any order."""
        inputs, labels = [], []
        for client in self._clients:
            rows = batches.rows(
                len(client.train), self._batch, step, client.settings.seed, client.partition
            )
            inputs.append(client.train.inputs[rows])
            labels.append(client.train.labels[rows])
        return Batch(normalise(torch.stack(inputs).to(self.weights.device)), torch.stack(labels))

    def forward(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return activations with their graph, and labels: what a frame holds."""
        return self._fronts(self.weights, batch.inputs), batch.labels

    def backward(self, activations: Tensor, gradient: Tensor, learning_rate: float) -> None:
        """Take one step of every member.

        Parameters
        ----------
        activations : Tensor
            (members, batch, *latent) from :meth:`forward`; its graph is used up.
        gradient : Tensor
            d loss / d activations, of the same shape.
        learning_rate : float
            Step size.
        """
        (slope,) = torch.autograd.grad(activations, self.weights, gradient)
        self.gradient_norms.append(slope.norm().item())
        self._rule.step(self.weights, slope, self.velocity, learning_rate)
