"""A linear probe: how far one linear layer gets on frozen features.

Alain and Bengio, "Understanding intermediate layers using linear classifier probes", 2016,
https://arxiv.org/abs/1610.01644.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor, nn
from torch.nn import functional

from strategies.common import seeds
from strategies.common.samples import shuffled_batches
from strategies.common.split.evaluation.features import Features
from strategies.common.split.evaluation.hits import Hits, count_hits


@final
@dataclass(frozen=True)
class Probe:
    """How a classifier on frozen features did.

    Attributes
    ----------
    last : Hits
        On the test samples after the last epoch: the result.
    best_accuracy : float
        Highest test accuracy after any epoch, in [0, 1]. It chooses the epoch by the test
        samples and so flatters; papers often report it.
    best_epoch : int
        The first epoch that reached it, from 1.
    """

    last: Hits
    best_accuracy: float
    best_epoch: int


def linear_probe(
    bank: Features,
    test: Features,
    *,
    num_classes: int,
    generator: torch.Generator,
    epochs: int = 100,
    learning_rate: float = 1e-3,
) -> Probe:
    """Train a linear layer on the bank and test it.

    Adam with batches of 128; the learning rate falls to 0 by a cosine over the epochs.

    Parameters
    ----------
    bank : Features
        Samples to learn from.
    test : Features
        Samples to test on.
    num_classes : int
        Classes of the task.
    generator : torch.Generator
        CPU generator; draws the initial weights and the order of the samples.
    epochs : int
        Passes over the bank.
    learning_rate : float
        Step size at the start.
    """
    with seeds.seeded(draw_seed(generator)):
        layer = nn.Linear(bank.features.shape[1], num_classes)
    rates = [
        learning_rate * (1 + math.cos(math.pi * epoch / epochs)) / 2 for epoch in range(epochs)
    ]
    return fit(layer, bank, test, rates=rates, generator=generator)


def fit(
    classifier: nn.Module,
    bank: Features,
    test: Features,
    *,
    rates: Sequence[float],
    generator: torch.Generator,
    batch: int = 128,
) -> Probe:
    """Train a classifier of features by cross-entropy with Adam, and test it at each epoch.

    Parameters
    ----------
    classifier : nn.Module
        Maps (batch, feature) to (batch, class); moved to the features' device.
    bank : Features
        Samples to learn from, at least one.
    test : Features
        Samples to test on, at least one.
    rates : Sequence[float]
        Learning rate of each epoch, at least one.
    generator : torch.Generator
        CPU generator; draws the order of the samples.
    batch : int
        Samples per step.
    """
    device = bank.features.device
    classifier.to(device)
    # Thousands of tiny steps: one fused kernel takes half the time of many small ones.
    optimiser = torch.optim.Adam(classifier.parameters(), fused=True)
    best_accuracy, best_epoch = -1.0, 0
    for epoch, rate in enumerate(rates, start=1):
        optimiser.param_groups[0]["lr"] = rate
        classifier.train()
        for index in shuffled_batches(len(bank), batch, generator):
            rows = index.to(device)
            optimiser.zero_grad(set_to_none=True)
            loss = functional.cross_entropy(classifier(bank.features[rows]), bank.labels[rows])
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
        correct, losses = _test(classifier, test)
        accuracy = correct.double().mean().item()
        if accuracy > best_accuracy:
            best_accuracy, best_epoch = accuracy, epoch
    return Probe(count_hits(correct, losses, test.clients), best_accuracy, best_epoch)


def draw_seed(generator: torch.Generator) -> int:
    """Draw a seed for layers that take their initial weights from a global generator."""
    return int(torch.randint(2**62, (), generator=generator))


@torch.no_grad()
def _test(classifier: nn.Module, test: Features) -> tuple[Tensor, Tensor]:
    """Return which samples are right and each one's loss: (samples,) bool and float."""
    classifier.eval()
    scores: Tensor = classifier(test.features)
    losses = functional.cross_entropy(scores, test.labels, reduction="none")
    return scores.argmax(1) == test.labels, losses
