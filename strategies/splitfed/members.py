"""The clients that one node has in one cohort: their models, batches, steps and momentum."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from strategies.common.device import Device
from strategies.common.errors import StoreError
from strategies.common.samples import prepare
from strategies.common.split import batches
from strategies.common.split.members import Members
from strategies.common.split.networks.stacked import StackedModels
from strategies.common.split.sgd import SGD


@final
@dataclass
class SplitFedState:
    """What stays on the device; client models come averaged with every round's message.

    Attributes
    ----------
    velocity : Tensor | None
        (clients, parameters) momentum buffers of the node's logical clients, which are
        neither averaged nor reset; ``None`` before the first round.
    """

    velocity: Tensor | None = None

    def velocity_of(self, clients: int, parameters: int) -> Tensor:
        """Return the momentum buffers to go on from, (clients, parameters) on the CPU.

        Raises
        ------
        StoreError
            If there are others, of other clients or of another network.
        """
        if self.velocity is None:
            return torch.zeros(clients, parameters)
        if self.velocity.shape != (clients, parameters):
            raise StoreError(
                f"stored state: expected momentum buffers ({clients}, {parameters}), got "
                f"{tuple(self.velocity.shape)}; clients-per-node and the network must stay the "
                f"same within a run"
            )
        return self.velocity.cpu()

    def keep(self, clients: int, rows: Sequence[int], velocity: Tensor) -> None:
        """Take over the buffers of the clients that learnt, (rows, parameters)."""
        kept = self.velocity_of(clients, velocity.shape[1]).clone()
        kept[list(rows)] = velocity
        self.velocity = kept


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
class SplitFedMembers(Members[Batch]):
    """Client models side by side, each on its own client's samples.

    Parameters
    ----------
    clients : Sequence[Device]
        Logical clients, ascending.
    models : StackedModels
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
        models: StackedModels,
        weights: Tensor,
        velocity: Tensor,
        rule: SGD,
        batch: int,
    ) -> None:
        super().__init__(clients)
        self._models = models
        self._learning_rate = clients[0].settings.learning_rate
        self._rule = rule
        self._batch = batch
        self.weights = weights.detach().clone().requires_grad_()
        self.velocity = velocity.clone()
        self.gradient_norms: list[float] = []

    @property
    def samples(self) -> Tensor:
        """Training samples of each client, (members,) int64."""
        return torch.tensor([len(client.train) for client in self.clients])

    def prepare(self, step: int) -> Batch:
        """Return a step's samples; any step may be asked for, in any order."""
        inputs, labels = [], []
        for client in self.clients:
            rows = batches.rows(
                len(client.train), self._batch, step, client.settings.seed, client.partition
            )
            inputs.append(client.train.inputs[rows])
            labels.append(client.train.labels[rows])
        return Batch(prepare(torch.stack(inputs).to(self.weights.device)), torch.stack(labels))

    def forward(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return activations with their graph, and labels: what a frame holds."""
        return self._models(self.weights, batch.inputs), batch.labels

    def backward(self, step: int, activations: Tensor, gradient: Tensor) -> None:  # noqa: ARG002
        """Take one step of every member; the graph of the activations is used up."""
        (slope,) = torch.autograd.grad(activations, self.weights, gradient)
        self.gradient_norms.append(slope.norm().item())
        self._rule.step(self.weights, slope, self.velocity, self._learning_rate)
