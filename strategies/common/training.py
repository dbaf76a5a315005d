"""Local training and evaluation loops that the client halves share."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import final

import torch
from torch import Tensor, nn
from torch.nn import functional

from strategies.common.device import Device
from strategies.common.errors import ModelError
from strategies.common.method import Evaluation
from strategies.common.samples import Samples, normalise, ordered_batches, shuffled_batches

# Forward passes alone need little memory; larger batches only save Python's own time.
EVALUATION_BATCH = 256

BatchLosses = Callable[[Tensor, Tensor], Mapping[str, Tensor]]


def train_epochs(
    device: Device,
    groups: Sequence[Sequence[nn.Module]],
    batch_losses: BatchLosses,
    *,
    max_norm: float | None = None,
) -> dict[str, float]:
    """Run the local epochs of one round with plain SGD.

    Parameters
    ----------
    device : Device
        Gives samples, order, epochs, batch size and learning rate.
    groups : Sequence[Sequence[nn.Module]]
        Modules to train, in train mode; gradients are clipped group by group.
    batch_losses : BatchLosses
        Maps normalised inputs (batch, channels, height, width) and labels (batch,) to
        scalar losses by name, of which ``"total"`` is minimised.
    max_norm : float | None
        Largest gradient norm of a group; ``None`` does not clip.

    Returns
    -------
    dict[str, float]
        Mean of each loss over the samples seen.

    Raises
    ------
    ModelError
        If a loss is no longer finite.
    """
    settings = device.settings
    parameters = [[p for m in group for p in m.parameters()] for group in groups]
    optimiser = torch.optim.SGD([p for group in parameters for p in group], settings.learning_rate)
    for module in (m for group in groups for m in group):
        module.train()
    order = device.generator("batches")
    means = Means()
    for _ in range(settings.local_epochs):
        for index in shuffled_batches(len(device.train), settings.batch_size, order):
            inputs = normalise(device.train.inputs[index].to(device.torch_device))
            labels = device.train.labels[index].to(device.torch_device)
            losses = batch_losses(inputs, labels)
            optimiser.zero_grad(set_to_none=True)
            losses["total"].backward()  # type: ignore[no-untyped-call]
            if max_norm is not None:
                for group in parameters:
                    nn.utils.clip_grad_norm_(group, max_norm)
            optimiser.step()
            means.add({name: loss.item() for name, loss in losses.items()}, len(index))
    found = means.result()
    refuse_divergence(found, "learning-rate", settings.learning_rate)
    return found


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
        Maps normalised inputs to (batch, class) scores; their softmax cross-entropy is the
        loss.
    """
    correct = 0
    loss = 0.0
    for batch_scores, labels in score_batches(device, device.test, module, scores):
        correct += int((batch_scores.argmax(1) == labels).sum())
        loss += functional.cross_entropy(batch_scores, labels, reduction="sum").item()
    refuse_divergence({"test loss": loss}, "learning-rate", device.settings.learning_rate)
    return Evaluation(correct, loss / len(device.test))


def score_batches(
    device: Device, samples: Samples, module: nn.Module, outputs: Callable[[Tensor], Tensor]
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield (outputs, labels) of every sample, batch by batch, in evaluation mode."""
    module.eval()
    for part in ordered_batches(len(samples), EVALUATION_BATCH):
        inputs = normalise(samples.inputs[part].to(device.torch_device))
        with torch.no_grad():
            scores = outputs(inputs)
        yield scores, samples.labels[part].to(device.torch_device)


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


def refuse_divergence(losses: Mapping[str, float], setting: str, learning_rate: float) -> None:
    """Refuse losses that are no longer finite.

    Raises
    ------
    ModelError
        Naming the loss, and the setting that holds the learning rate.
    """
    for name, value in losses.items():
        if not torch.isfinite(torch.tensor(value)):
            raise ModelError(
                f"training diverged: {name} is {value} at {setting}={learning_rate}; "
                f"lower the learning rate"
            )
