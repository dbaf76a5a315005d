"""Simple classifiers of features: nearest neighbours, a linear probe, and few labels.

Wu et al., "Unsupervised Feature Learning via Non-Parametric Instance Discrimination",
CVPR 2018, section 3.4: the k neighbours of highest cosine similarity vote for their class
with weight exp(similarity / temperature). Alain and Bengio, "Understanding intermediate
layers using linear classifier probes", 2016, https://arxiv.org/abs/1610.01644: how far one
linear layer gets on frozen features.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor, nn
from torch.nn import functional

from strategies.common import seeds
from strategies.common.errors import ModelError
from strategies.common.samples import shuffled_batches
from strategies.common.split.hits import Hits, count_hits
from strategies.common.update_rule import Adam, Group
from strategies.mocosfl.features import Features, standardised

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
    learning_rate: float = 1e-2,
) -> Probe:
    """Train a linear layer on the bank and test it.

    Features are standardised by the bank, so that their scale makes no difference. Adam with
    batches of 128; the learning rate falls to 0 by a cosine over the epochs. It starts high enough
    for a few hundred steps, which is all that a small bank gives, to come near the optimum.

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
    return fit(layer, *standardised(bank, test), rates=rates, generator=generator)


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
    adam = Adam([Group([*classifier.parameters()])], fused=True)
    best_accuracy, best_epoch = -1.0, 0
    for epoch, rate in enumerate(rates, start=1):
        classifier.train()
        for index in shuffled_batches(len(bank), batch, generator):
            rows = index.to(device)
            loss = functional.cross_entropy(classifier(bank.features[rows]), bank.labels[rows])
            adam.descend(loss, rate)
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


_SEMI_HIDDEN = 512


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

    Features are standardised by the whole bank, which takes no labels. The hidden layer has 512
    units, batch normalisation and a ReLU. Adam with batches of 128; the learning rate falls to a
    tenth after 60 % and again after 80 % of the epochs.

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
    bank, test = standardised(bank, test)
    chosen = bank.subset(stratified(bank.labels, share, generator))
    if len(chosen) < 2:
        raise ModelError(
            f"semi-supervised evaluation: expected at least 2 labelled samples, got "
            f"{len(chosen)} of {len(bank)}; raise the share or give clients more classes"
        )
    with seeds.seeded(draw_seed(generator)):
        classifier = nn.Sequential(
            nn.Linear(bank.features.shape[1], _SEMI_HIDDEN),
            nn.BatchNorm1d(_SEMI_HIDDEN),
            nn.ReLU(),
            nn.Linear(_SEMI_HIDDEN, num_classes),
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
