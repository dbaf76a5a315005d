"""What a model learns of open samples, on a device or on the server."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor, nn

from strategies.common.open_settings import OpenDataSettings
from strategies.common.optimiser import kept_moments, restore_moments
from strategies.common.samples import prepare, shuffled_batches
from strategies.common.training import fit
from strategies.common.update_rule import SGD, Adam, Group

# Maps logits (batch, class) and what is to be learnt of their samples to a loss.
Distance = Callable[[Tensor, Tensor], Tensor]


@final
@dataclass(frozen=True)
class Lesson:
    """What is learnt of open samples.

    Attributes
    ----------
    name, method : str, str
        Of the loss, and of the order in which samples are drawn; and whose settings are read.
    inputs, targets : Tensor
        (samples, ...) each.
    distance : Distance
        The loss of a batch.
    """

    name: str
    method: str
    inputs: Tensor
    targets: Tensor
    distance: Distance

    def teach(
        self,
        model: nn.Module,
        settings: OpenDataSettings,
        epochs: int,
        order: torch.Generator,
        torch_device: torch.device,
        *,
        owner: object,
        moments: Mapping[str, Tensor],
    ) -> tuple[Mapping[str, float], dict[str, Tensor]]:
        """Let a model learn, and return the mean loss and the optimiser's moments.

        Parameters
        ----------
        model : nn.Module
            Learns.
        settings : OpenDataSettings
            Optimiser, its step size, and samples per step.
        epochs : int
            Passes over the samples.
        order : torch.Generator
            Draws their order.
        torch_device : torch.device
            Where the model lies.
        owner : object
            State that holds the model, by whose fields moments are named.
        moments : Mapping[str, Tensor]
            Of the lesson before.
        """
        groups = [Group(list(model.parameters()))]
        rule = Adam(groups) if settings.distill_optimiser == "adam" else SGD(groups)
        restore_moments(rule, owner, moments)
        model.train()

        def step(rows: Tensor) -> dict[str, float]:
            logits = model(prepare(self.inputs[rows].to(torch_device)))
            loss = self.distance(logits, self.targets[rows].to(logits.device))
            rule.descend(loss, settings.distill_learning_rate)
            return {self.name: loss.item()}

        batches = (
            rows
            for _ in range(epochs)
            for rows in shuffled_batches(len(self.inputs), settings.distill_batch_size, order)
        )
        setting = f"{self.method}.distill-learning-rate"
        told = fit(batches, step, setting, settings.distill_learning_rate)
        return told, kept_moments(rule, owner)
