"""Questions about images, batch by batch, as a backbone reads them."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count, islice
from typing import final

import torch
from torch import Tensor

from strategies.common.adapters.backbone import Backbone
from strategies.common.device import Device
from strategies.common.samples import Samples, num_batches, ordered_batches, shuffled_batches
from strategies.common.training import EVALUATION_BATCH


@final
@dataclass(frozen=True)
class Batch:
    """Some questions where they are computed with.

    Attributes
    ----------
    images : Tensor
        (batch, channels, height, width) uint8.
    tokens, mask : Tensor
        (batch, tokens) int64.
    labels : Tensor
        (batch,) int64 best answer.
    scores : Tensor | None
        (batch, answers) worth of each answer, where several are right.
    """

    images: Tensor
    tokens: Tensor
    mask: Tensor
    labels: Tensor
    scores: Tensor | None

    def __len__(self) -> int:
        """Return the number of questions."""
        return len(self.labels)


@final
class Reader:
    """A client's samples, their questions turned into tokens once.

    Parameters
    ----------
    backbone : Backbone
        Whose tokens.
    samples : Samples
        With questions.
    device : torch.device
        Where batches go.

    Attributes
    ----------
    num_cut : int
        Questions that were longer than the tokenizer's limit.
    """

    def __init__(self, backbone: Backbone, samples: Samples, device: torch.device) -> None:
        self._samples = samples
        self._device = device
        self._questions = backbone.read(samples.questions)
        self.num_cut = self._questions.num_cut

    def batch(self, rows: Tensor | slice) -> Batch:
        """Return the questions at some rows."""
        samples, questions = self._samples, self._questions
        scores = None if samples.scores is None else samples.scores[rows].to(self._device)
        return Batch(
            samples.inputs[rows].to(self._device),
            questions.tokens[rows].to(self._device),
            questions.mask[rows].to(self._device),
            samples.labels[rows].to(self._device),
            scores,
        )

    def shuffled(self, batch_size: int, steps: int, generator: torch.Generator) -> Iterator[Batch]:
        """Yield so many batches, in as many shuffled passes as that takes."""
        passes = (shuffled_batches(len(self._samples), batch_size, generator) for _ in count())
        rows = (index for one_pass in passes for index in one_pass)
        yield from map(self.batch, islice(rows, steps))

    def ordered(self) -> Iterator[Batch]:
        """Yield every sample once, in order."""
        yield from map(self.batch, ordered_batches(len(self._samples), EVALUATION_BATCH))


def steps_of_round(device: Device, compute: float = 1.0) -> int:
    """Return how many batches a client learns from in one round.

    Parameters
    ----------
    device : Device
        Gives samples, batch size and local epochs.
    compute : float
        Multiple of the local epochs, for comparisons at equal compute.
    """
    settings = device.settings
    batches = num_batches(len(device.train), settings.batch_size)
    return max(1, round(compute * settings.local_epochs * batches))


def cut_note(reader: Reader) -> tuple[str, ...]:
    """Say how many questions lost their end, if any did."""
    if not reader.num_cut:
        return ()
    return (f"{reader.num_cut} training questions are longer than the model reads, and were cut",)
