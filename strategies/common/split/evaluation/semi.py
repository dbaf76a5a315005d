"""Semi-supervised evaluation: a small network on frozen features, from few labels."""

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor, nn

from strategies.common import seeds
from strategies.common.errors import ModelError
from strategies.common.split.evaluation.features import Features
from strategies.common.split.evaluation.probe import Probe, draw_seed, fit

_HIDDEN = 512


@final
@dataclass(frozen=True)
class FewLabels:
    """How far few labels get.

    Attributes
    ----------
    labelled : int
        Samples that were learnt from.
    probe : Probe
        What came of it.
    """

    labelled: int
    probe: Probe


def few_labels(
    bank: Features,
    test: Features,
    *,
    share: float,
    num_classes: int,
    generator: torch.Generator,
    epochs: int = 100,
    learning_rate: float = 1e-3,
) -> FewLabels:
    """Train a network with one hidden layer on a part of the bank, and test it.

    The hidden layer has 512 units, batch normalisation and a ReLU. Adam with batches of
    128; the learning rate falls to a tenth after 60 % and again after 80 % of the epochs.

    Parameters
    ----------
    bank : Features
        Samples to choose from.
    test : Features
        Samples to test on.
    share : float
        Part of each class that is learnt from, in (0, 1]; at least one sample.
    num_classes : int
        Classes of the task.
    generator : torch.Generator
        CPU generator; draws the samples, the initial weights and the order.
    epochs : int
        Passes over the chosen samples.
    learning_rate : float
        Step size at the start.

    Raises
    ------
    ModelError
        If a single sample would be learnt from, which batch normalisation cannot.
    """
    chosen = bank.subset(stratified(bank.labels, share, generator))
    if len(chosen) < 2:
        raise ModelError(
            f"semi-supervised evaluation: expected at least 2 labelled samples, got "
            f"{len(chosen)} of {len(bank)}; raise the share or give clients more classes"
        )
    with seeds.seeded(draw_seed(generator)):
        classifier = nn.Sequential(
            nn.Linear(bank.features.shape[1], _HIDDEN),
            nn.BatchNorm1d(_HIDDEN),
            nn.ReLU(),
            nn.Linear(_HIDDEN, num_classes),
        )
    rates = [_rate(epoch, epochs, learning_rate) for epoch in range(epochs)]
    probe = fit(classifier, chosen, test, rates=rates, generator=generator)
    return FewLabels(len(chosen), probe)


def stratified(labels: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """Draw the same part of every class that is present, at least one sample of each.

    Parameters
    ----------
    labels : Tensor
        (samples,) int64.
    share : float
        Part of each class, in (0, 1].
    generator : torch.Generator
        CPU generator; draws the samples.

    Returns
    -------
    Tensor
        (chosen,) int64 row numbers, ascending.
    """
    chosen = []
    for label in torch.unique(labels).tolist():
        own = (labels == label).nonzero()[:, 0]
        order = torch.randperm(len(own), generator=generator).to(own.device)
        chosen.append(own[order[: max(1, round(share * len(own)))]])
    return torch.cat(chosen).sort().values


def _rate(epoch: int, epochs: int, learning_rate: float) -> float:
    """Return the learning rate of an epoch, counted from 0."""
    drops = (5 * epoch >= 3 * epochs) + (5 * epoch >= 4 * epochs)
    return learning_rate / float(10**drops)
