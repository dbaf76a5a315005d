"""A client's samples as tensors, and how raw inputs become network inputs."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor


@final
@dataclass(frozen=True)
class Samples:
    """Inputs with their labels.

    Attributes
    ----------
    inputs : Tensor
        (samples, channels, height, width) images, uint8 or float32 already scaled; (samples,
        channels, steps) float32 windows; (samples, length) int64 tokens; or (samples, columns)
        float32 numbers.
    labels : Tensor
        (samples,) int64 class of each input; of questions, the answer with the highest score.
    questions : tuple[str, ...]
        What is asked of each input; empty where there is nothing but inputs.
    scores : Tensor | None
        (samples, classes) float32 in [0, 1], what each answer is worth where several are
        right; ``None`` where the label alone is.
    """

    inputs: Tensor
    labels: Tensor
    questions: tuple[str, ...] = ()
    scores: Tensor | None = None

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self.labels)

    def rows(self, index: Tensor) -> "Samples":
        """Return the samples at some positions, in the order asked for."""
        asked = tuple(self.questions[row] for row in index.tolist()) if self.questions else ()
        scores = None if self.scores is None else self.scores[index]
        return Samples(self.inputs[index], self.labels[index], asked, scores)

    def of_label(self, label: int) -> "Samples":
        """Return the samples of one class."""
        return self.rows((self.labels == label).nonzero().flatten())

    def drawn(self, most: int, order: torch.Generator) -> "Samples":
        """Draw so many samples, none twice, or all there are."""
        return self.rows(torch.randperm(len(self), generator=order)[:most])

    def joined(self, other: "Samples") -> "Samples":
        """Return these and others after them; neither are questions."""
        inputs = torch.cat([self.inputs, other.inputs])
        return Samples(inputs, torch.cat([self.labels, other.labels]))


def class_counts(samples: Samples, num_classes: int) -> list[int]:
    """Count the samples of each class."""
    return [int(count) for count in samples.labels.bincount(minlength=num_classes)]


def prepare(inputs: Tensor) -> Tensor:
    """Return inputs as networks read them: images in [-1, 1], readings and tokens as they are.

    uint8 is scaled, floats become float32, and int64 stays, since tokens are looked up.
    Images that the server draws pass through this same function, so that they reach a
    network scaled exactly as the client's own.
    """
    if inputs.dtype == torch.int64:
        return inputs
    if inputs.dtype == torch.uint8:
        return inputs.to(torch.float32).div_(127.5).sub_(1.0)
    return inputs.to(torch.float32)


def shuffled_batches(
    num_samples: int, batch_size: int, generator: torch.Generator
) -> Iterator[Tensor]:
    """Yield index tensors that cover every sample once, in random order.

    A remainder of one sample joins the batch before it: batch normalisation cannot train
    on a single sample, and no sample may be left out.

    Parameters
    ----------
    num_samples : int
        Samples to cover.
    batch_size : int
        Samples per batch; the last one may have fewer, or one more.
    generator : torch.Generator
        Source of the order.
    """
    order = torch.randperm(num_samples, generator=generator)
    start = 0
    while start < num_samples:
        stop = start + batch_size
        if num_samples - stop == 1:
            stop = num_samples
        yield order[start:stop]
        start = stop


def fixed_batches(num_samples: int, batch_size: int) -> Iterator[Tensor]:
    """Yield index tensors of whole batches in the order of the samples; the rest is left out.

    Fewer samples than a batch are one all the same.
    """
    whole = max(num_samples // batch_size, 1)
    yield from torch.split(torch.arange(num_samples)[: whole * batch_size], batch_size)


def num_batches(num_samples: int, batch_size: int, *, fixed: bool = False) -> int:
    """Return how many batches are made of some samples, shuffled or fixed."""
    full, rest = divmod(num_samples, batch_size)
    if fixed:
        return max(full, 1)
    return full + (rest > 1 or (rest == 1 and not full))


def ordered_batches(num_samples: int, batch_size: int) -> Iterator[slice]:
    """Yield slices that cover every sample once, in order, for evaluation."""
    for start in range(0, num_samples, batch_size):
        yield slice(start, min(start + batch_size, num_samples))
