"""Local training and evaluation loops that the client halves share."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sized
from typing import TypeVar, final

import torch
from torch import Tensor, nn
from torch.nn import functional

from strategies.common.confusion import ConfusionCounts
from strategies.common.device import Device
from strategies.common.errors import LOWER_RATES, ModelError
from strategies.common.optimiser import Optimiser
from strategies.common.round import Evaluation
from strategies.common.samples import (
    Samples,
    fixed_batches,
    ordered_batches,
    prepare,
    shuffled_batches,
)

# Smaller batches cost Python's own time. Larger ones make activations of a size that an allocator
# gives back to the system each time: a quarter slower for a CNN on CIFAR-10, on twice the memory.
EVALUATION_BATCH = 128

AnyBatch = TypeVar("AnyBatch", bound=Sized)
# Losses of one batch by name, after whatever steps they ask for.
BatchLesson = Callable[[AnyBatch], Mapping[str, float]]
# Maps network inputs (batch, ...) and labels (batch,) to scalar losses by name, of which
# ``"total"`` is minimised.
BatchLosses = Callable[[Tensor, Tensor], Mapping[str, Tensor]]


def fit(
    batches: Iterable[AnyBatch], lesson: BatchLesson[AnyBatch], setting: str, learning_rate: float
) -> dict[str, float]:
    """Give one lesson per batch: the loop of every method that learns on a device.

    Parameters
    ----------
    batches : Iterable[AnyBatch]
        Whatever the lesson reads; their lengths weigh the means.
    lesson : BatchLesson
        Learns from a batch and returns its losses by name.
    setting, learning_rate : str, float
        Where the step size is set, and to what, for the error message.

    Returns
    -------
    dict[str, float]
        Mean of each loss over the samples seen.

    Raises
    ------
    ModelError
        If a loss is no longer finite.
    """
    means = Means()
    for number, batch in enumerate(batches):
        losses = lesson(batch)
        if number == 0:
            _refuse_a_spoilt_start(losses)
        means.add(losses, len(batch))
    found = means.result()
    refuse_divergence(found, setting, learning_rate)
    return found


def train_epochs(
    device: Device,
    modules: Iterable[nn.Module],
    losses: BatchLosses,
    optimiser: Optimiser,
    rows: Tensor | None = None,
) -> dict[str, float]:
    """Run the local epochs of one round, one step per batch.

    Parameters
    ----------
    device : Device
        Gives samples, their order, epochs and batch size.
    modules : Iterable[nn.Module]
        Put into train mode first.
    losses : BatchLosses
        Of a batch.
    optimiser : Optimiser
        Takes the steps.
    rows : Tensor | None
        (learnt,) int64 of the training samples that are learnt from; ``None`` for all.

    Returns
    -------
    dict[str, float]
        Mean of each loss over the samples seen.

    Raises
    ------
    ModelError
        If a loss is no longer finite.
    """
    for module in modules:
        module.train()

    def lesson(rows: Tensor) -> dict[str, float]:
        found = losses(*training_batch(device, rows))
        optimiser.step(found["total"])
        optimiser.advance()
        return {name: loss.item() for name, loss in found.items()}

    return fit(_epochs(device, rows), lesson, "learning-rate", device.settings.learning_rate)


def training_batch(device: Device, rows: Tensor) -> tuple[Tensor, Tensor]:
    """Return prepared inputs (batch, ...) and labels (batch,) of some training samples."""
    inputs = prepare(device.train.inputs[rows].to(device.torch_device))
    return inputs, device.train.labels[rows].to(device.torch_device)


def _epochs(device: Device, rows: Tensor | None) -> Iterator[Tensor]:
    run, order = device.settings, device.generator("batches")
    count = len(device.train) if rows is None else len(rows)
    for _ in range(run.local_epochs):
        if run.batches == "fixed":
            parts = fixed_batches(count, run.batch_size)
        else:
            parts = shuffled_batches(count, run.batch_size, order)
        for part in parts:
            yield part if rows is None else rows[part]


def evaluate_scores(
    device: Device, module: nn.Module, scores: Callable[[Tensor], Tensor]
) -> Evaluation:
    """Classify the test samples by their highest score.

    Parameters
    ----------
    device : Device
        Gives the test samples.
    module : nn.Module
        Put into evaluation mode first.
    scores : Callable[[Tensor], Tensor]
        Maps prepared inputs to (batch, class) scores; their softmax cross-entropy is the
        loss.
    """
    predicted: list[Tensor] = []
    num_classes = 0
    loss = 0.0
    for batch_scores, labels in score_batches(device, device.test, module, scores):
        predicted.append(batch_scores.argmax(1))
        num_classes = batch_scores.shape[1]
        loss += functional.cross_entropy(batch_scores, labels, reduction="sum").item()
    # What is tested may be what the server sent.
    rate = device.settings.learning_rate
    refuse_divergence({"test loss": loss}, "learning-rate", rate, LOWER_RATES)
    classes = ConfusionCounts.of(device.test.labels, torch.cat(predicted).cpu(), num_classes)
    return Evaluation(sum(classes.hits), loss / len(device.test), classes=classes)


def score_batches(
    device: Device, samples: Samples, module: nn.Module, outputs: Callable[[Tensor], Tensor]
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield (outputs, labels) of every sample, batch by batch, in evaluation mode."""
    labels = (samples.labels[part] for part in ordered_batches(len(samples), EVALUATION_BATCH))
    found = output_batches(samples.inputs, module, outputs, device.torch_device)
    for scores, own in zip(found, labels, strict=True):
        yield scores, own.to(device.torch_device)


@torch.no_grad()
def output_batches(
    inputs: Tensor,
    module: nn.Module,
    outputs: Callable[[Tensor], Tensor],
    torch_device: torch.device,
) -> Iterator[Tensor]:
    """Yield the outputs of inputs as they are stored, batch by batch, in evaluation mode.

    Parameters
    ----------
    inputs : Tensor
        (samples, ...) as of ``Samples``.
    module : nn.Module
        Put into evaluation mode first.
    outputs : Callable[[Tensor], Tensor]
        Maps prepared inputs to what is wanted of them, without gradients.
    torch_device : torch.device
        Where the module lies.
    """
    module.eval()
    for part in ordered_batches(len(inputs), EVALUATION_BATCH):
        yield outputs(prepare(inputs[part].to(torch_device)))


@final
class Means:
    """Means of losses by name, over samples that come in batches."""

    def __init__(self) -> None:
        self._sums: dict[str, float] = {}
        self._seen = 0

    def add(self, losses: Mapping[str, float], count: int) -> None:
        """Take in the means over a batch of so many samples."""
        for name, loss in losses.items():
            self._sums[name] = self._sums.get(name, 0.0) + loss * count
        self._seen += count

    def result(self) -> dict[str, float]:
        """Return the means over all samples; empty where there was no batch."""
        return {name: total / self._seen for name, total in self._sums.items()}


def refuse_divergence(
    losses: Mapping[str, float],
    setting: str,
    learning_rate: float,
    advice: str = "lower the learning rate",
) -> None:
    """Refuse losses that are no longer finite.

    Raises
    ------
    ModelError
        Naming the loss, and the setting that holds the learning rate.
    """
    for name, value in _no_longer_finite(losses):
        raise ModelError(
            f"training diverged: {name} is {value} at {setting}={learning_rate}; {advice}"
        )


def _refuse_a_spoilt_start(losses: Mapping[str, float]) -> None:
    """Refuse losses that no step of this round has made what they are."""
    for name, value in _no_longer_finite(losses):
        raise ModelError(
            f"training cannot begin: {name} of the round's first batch is {value}, before any "
            f"step: what the server sent, or what was learnt before, is too large; {LOWER_RATES}"
        )


def _no_longer_finite(losses: Mapping[str, float]) -> list[tuple[str, float]]:
    # As numbers in single precision, which sums over many samples may leave.
    return [(n, value) for n, value in losses.items() if not torch.tensor(value).isfinite()]
