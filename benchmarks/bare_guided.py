"""A client's round as a plain loop where the server's generator or its vectors guide it."""

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from benchmarks.bare_clients import Play, class_means, epoch, outputs, scaled, test
from benchmarks.seconds_case import CLASSES, Case
from strategies.common import seeds
from strategies.fedktl.etf import simplex_etf

_MAX_NORM = 100.0


def fedgen(case: Case, state: Any) -> Play:
    """Learn from labels and from generated features."""
    model, device = state.model.train(), case.device
    generator = case.told("built_generator")(case.client.agreed).eval().requires_grad_(False)
    order, width = device.generator("generated features"), case.client.settings.noise_dim

    def loss_of(x: Tensor, y: Tensor) -> Tensor:
        drawn = torch.multinomial(case.told("prior"), len(y), True, generator=order)
        features = generator(torch.randn(len(y), width, generator=order), drawn)
        generated = functional.cross_entropy(model.head(features), drawn)
        return functional.cross_entropy(model(x), y) + generated

    def play() -> Tensor:
        vector_to_parameters(case.told("parameters").clone(), model.parameters())
        epoch(case, model.parameters(), loss_of)
        sent = parameters_to_vector(model.parameters()).detach()
        vector_to_parameters(case.told("parameters").clone(), model.parameters())
        test(case, model, model)
        return sent

    return play


def _pairs(case: Case) -> Iterator[tuple[Tensor, Tensor]]:
    images, vectors = case.told("images"), case.told("vectors")
    order, size = case.device.generator("pairs"), case.device.settings.batch_size
    while True:
        for rows in torch.split(torch.randperm(len(images), generator=order), size):
            yield scaled(images[rows]), vectors[rows]


def fedktl(case: Case, state: Any) -> Play:
    """Learn class directions and the vectors of the server's images."""
    device, own = case.device, case.client.settings
    model, projection, train = state.model.train(), state.projection, case.device.train
    directions = simplex_etf(CLASSES, device.settings.seed)
    with seeds.seeded(seeds.derive(device.settings.seed, "transfer-head")):
        transfer = nn.Linear(model.feature_dim, case.told("vectors").shape[1])
    groups = [[*model.body.parameters(), *projection.parameters()], list(transfer.parameters())]
    pairs = _pairs(case)

    def cosines(x: Tensor) -> Tensor:
        return functional.normalize(projection(model.features(x)))

    def loss_of(x: Tensor, y: Tensor) -> Tensor:
        found = cosines(x) @ directions.T
        mine = found.gather(1, y[:, None])
        sines = (1 - mine.square()).clamp_min(1e-6).sqrt()
        shifted = mine * math.cos(own.margin) - sines * math.sin(own.margin)
        logits = own.scale * found.scatter(1, y[:, None], shifted)
        images, vectors = next(pairs)
        apart = functional.mse_loss(transfer(model.features(images)), vectors)
        loss: Tensor = functional.cross_entropy(logits, y) + own.chosen_transfer_weight * apart
        return loss

    def play() -> Tensor:
        epoch(case, [p for group in groups for p in group], loss_of, groups, _MAX_NORM)
        rows = outputs(train.inputs, nn.ModuleList([model, projection]), cosines)
        sent = functional.normalize(class_means(rows, train.labels))
        test(case, model, lambda x: own.scale * cosines(x) @ directions.T)
        return sent

    return play


def fedl2g(case: Case, state: Any) -> Play:
    """Learn with guidance, and say how the quiz's loss moves with it."""
    device, own, model = case.device, case.client.settings, state.model.train()
    rows, run = case.told("rows"), case.device.settings
    study, quiz = case.client.parts(device)  # type: ignore[attr-defined]
    bare = _Both(model)

    def losses(found: tuple[Tensor, Tensor], y: Tensor, v: Tensor) -> Tensor:
        features, logits = found
        return functional.cross_entropy(logits, y) + functional.mse_loss(features, v[y])

    def loss_of(x: Tensor, y: Tensor) -> Tensor:
        return losses(bare(x), y, rows)

    def play() -> Tensor:
        epoch(case, model.parameters(), loss_of, [list(model.parameters())], own.max_norm, study)
        order = torch.randperm(len(study), generator=device.generator("study"))
        studied = study[order[: own.study_batches * run.batch_size]]
        x, y = scaled(device.train.inputs[studied]), device.train.labels[studied]
        v, weights = rows.clone().requires_grad_(), dict(bare.named_parameters())
        loss = losses(bare(x), y, v)
        step = torch.autograd.grad(loss, list(weights.values()), create_graph=True)
        moved = {
            n: w - run.learning_rate * g for (n, w), g in zip(weights.items(), step, strict=True)
        }
        _, logits = functional_call(bare, moved, (scaled(device.train.inputs[quiz]),))
        examined = functional.cross_entropy(logits, device.train.labels[quiz])
        (sent,) = torch.autograd.grad(examined, v)
        test(case, model, model)
        found: Tensor = sent[torch.unique(y)]
        return found

    return play


class _Both(nn.Module):
    """Features and logits of a model."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        features = self.model.features(inputs)
        return features, self.model.head(features)
