"""A client's round of each method as a plain PyTorch loop: the same steps on the same batches.

Each function gets a case and a state of its own, prepares models that it needs beside, and returns
what is timed: to learn, to make what is sent and to test. It returns what was made for sending.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from benchmarks.seconds_case import CLASSES, ROUND, Case
from strategies.common.open_data import drawn
from strategies.common.training import EVALUATION_BATCH

# Maps inputs and labels of a batch to its loss, or to several that are sent back one by one.
Loss = Callable[[Tensor, Tensor], Tensor | Sequence[Tensor]]
Play = Callable[[], Tensor | None]


def scaled(pixels: Tensor) -> Tensor:
    """Return uint8 images (batch, ...) as networks read them."""
    return pixels.float() / 127.5 - 1


def epoch(
    case: Case,
    learning: Iterable[nn.Parameter],
    loss_of: Loss,
    clipped: Sequence[Sequence[nn.Parameter]] = (),
    max_norm: float = 0.0,
    among: Tensor | None = None,
) -> None:
    """Take one step of plain SGD for each batch of the client's samples.

    Parameters
    ----------
    case : Case
        Gives samples and their order.
    learning : Iterable[nn.Parameter]
        What moves.
    loss_of : Loss
        Of a batch.
    clipped, max_norm : Sequence[Sequence[nn.Parameter]], float
        Groups whose gradients are clipped, each on its own, and to which norm.
    among : Tensor | None
        Rows of the samples that are learnt from; ``None`` for all.
    """
    device, run = case.device, case.device.settings
    optimiser = torch.optim.SGD(list(learning), run.learning_rate)
    chosen = torch.arange(len(device.train)) if among is None else among
    order = torch.randperm(len(chosen), generator=device.generator("batches"))
    for rows in torch.split(chosen[order], run.batch_size):
        found = loss_of(scaled(device.train.inputs[rows]), device.train.labels[rows])
        optimiser.zero_grad()
        *others, loss = [found] if isinstance(found, Tensor) else found
        for other in others:
            other.backward(retain_graph=True)  # type: ignore[no-untyped-call]
        loss.backward()  # type: ignore[no-untyped-call]
        for group in clipped:
            nn.utils.clip_grad_norm_(group, max_norm)
        optimiser.step()


@torch.no_grad()
def outputs(inputs: Tensor, module: nn.Module, of: Callable[[Tensor], Tensor]) -> Tensor:
    """Return outputs for images as they are stored, in evaluation mode."""
    module.eval()
    return torch.cat([of(scaled(part)) for part in torch.split(inputs, EVALUATION_BATCH)])


def test(case: Case, module: nn.Module, scores: Callable[[Tensor], Tensor]) -> None:
    """Count what is right and sum the loss."""
    found, labels = outputs(case.device.test.inputs, module, scores), case.device.test.labels
    functional.cross_entropy(found, labels, reduction="sum").item()
    (found.argmax(1) == labels).sum().item()


def class_means(rows: Tensor, labels: Tensor) -> Tensor:
    """Return the mean row of each class."""
    sums = torch.zeros(CLASSES, rows.shape[1]).index_add_(0, labels, rows)
    return sums / labels.bincount(minlength=CLASSES)[:, None]


def labels_alone(model: nn.Module) -> Loss:
    """Return the cross-entropy of a model's outputs."""
    return lambda x, y: functional.cross_entropy(model(x), y)


def local(case: Case, state: Any) -> Play:
    """Learn from labels."""
    model = state.model.train()

    def play() -> None:
        epoch(case, model.parameters(), labels_alone(model))
        test(case, model, model)

    return play


def whole_model(case: Case, state: Any, part: str = "") -> Play:
    """Take over a mean of models or of heads, learn from labels, and send what came of it."""
    model = state.model.train()
    shared = model.get_submodule(part)

    def play() -> Tensor:
        vector_to_parameters(case.told("parameters").clone(), shared.parameters())
        epoch(case, model.parameters(), labels_alone(model))
        sent = parameters_to_vector(shared.parameters()).detach()
        # What is tested is the mean that came down.
        vector_to_parameters(case.told("parameters").clone(), shared.parameters())
        test(case, model, model)
        return sent

    return play


def head(case: Case, state: Any) -> Play:
    """Share the head."""
    return whole_model(case, state, "head")


def head_of_means(case: Case, state: Any) -> Play:
    """Take over the head, and send the means of features."""
    model, train = state.model.train(), case.device.train

    def play() -> Tensor:
        vector_to_parameters(case.told("parameters").clone(), model.head.parameters())
        epoch(case, model.parameters(), labels_alone(model))
        sent = class_means(outputs(train.inputs, model, model.features), train.labels)
        vector_to_parameters(case.told("parameters").clone(), model.head.parameters())
        test(case, model, model)
        return sent

    return play


def prototypes(case: Case, state: Any) -> Play:
    """Learn towards prototypes, send the means of features, and test by the nearest."""
    model, train = state.model.train(), case.device.train
    rows, weight = case.told("rows"), case.client.settings.proto_weight

    def loss_of(x: Tensor, y: Tensor) -> Tensor:
        features = model.features(x)
        apart = functional.mse_loss(features, rows[y])
        loss: Tensor = functional.cross_entropy(model.head(features), y) + weight * apart
        return loss

    def play() -> Tensor:
        epoch(case, model.parameters(), loss_of)
        sent = class_means(outputs(train.inputs, model, model.features), train.labels)
        test(case, model, lambda x: -torch.cdist(model.features(x), rows).square())
        return sent

    return play


def fedmrl(case: Case, state: Any) -> Play:
    """Fuse features with those of the small model, and send it."""
    settings, model, projection = case.client.settings, state.model.train(), state.projection
    small = case.client.provided.build_beside().train()
    every = nn.ModuleList([model, small, projection])

    def fused(x: Tensor) -> Tensor:
        both: Tensor = projection(torch.cat([small.features(x), model.features(x)], 1))
        return both

    def loss_of(x: Tensor, y: Tensor) -> Tensor:
        z = fused(x)
        part = functional.cross_entropy(small.head(z[:, : settings.shared_dim]), y)
        own = functional.cross_entropy(model.head(z), y)
        loss: Tensor = settings.shared_weight * part + settings.own_weight * own
        return loss

    def play() -> Tensor:
        told = case.told("parameters")
        vector_to_parameters(told.clone(), small.parameters())
        epoch(case, every.parameters(), loss_of)
        sent = parameters_to_vector(small.parameters()).detach()
        # What is tested is the mean that came down.
        vector_to_parameters(told.clone(), small.parameters())
        test(case, every, lambda x: model.head(fused(x)))
        return sent

    return play


def fd(case: Case, state: Any) -> Play:
    """Learn from teachers, and average outputs by label."""
    model, teacher = state.model.train(), case.told("rows")
    weight = case.client.settings.distillation_weight
    sums, counts = torch.zeros(CLASSES, CLASSES), torch.zeros(CLASSES, 1)

    def loss_of(x: Tensor, y: Tensor) -> Tensor:
        logits = model(x)
        sums.index_add_(0, y, logits.detach().softmax(1))
        counts.index_add_(0, y, torch.ones(len(y), 1))
        apart = functional.cross_entropy(logits, teacher[y])
        loss: Tensor = functional.cross_entropy(logits, y) + weight * apart
        return loss

    def play() -> Tensor:
        epoch(case, model.parameters(), loss_of)
        test(case, model, model)
        return sums / counts

    return play


def open_data(case: Case, state: Any) -> Play:
    """Distil what all said of open samples, learn from labels, and speak."""
    model, settings, device = state.model.train(), case.client.settings, case.device
    opened, count = device.open_data, settings.samples_per_round
    told, said = (
        opened.inputs[drawn(opened.told, count, device.settings.seed, r)] for r in (1, ROUND)
    )
    fedmd = device.settings.method == "fedmd"
    kind = torch.optim.Adam if settings.distill_optimiser == "adam" else torch.optim.SGD
    apart = functional.l1_loss if fedmd else functional.cross_entropy
    rows, order = case.told("rows"), device.generator("distillation")

    def play() -> Tensor:
        optimiser = kind(model.parameters(), settings.distill_learning_rate)
        for _ in range(settings.distill_epochs):
            shuffled = torch.randperm(len(told), generator=order)
            for part in torch.split(shuffled, settings.distill_batch_size):
                loss = apart(model(scaled(told[part])), rows[part])
                optimiser.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimiser.step()
        epoch(case, model.parameters(), labels_alone(model))
        speak = model if fedmd else lambda x: model(x).softmax(1)
        sent = outputs(said, model, speak)
        test(case, model, model)
        return sent

    return play
