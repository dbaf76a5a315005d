"""Distributions in fewer bytes: of each open sample the likeliest classes, in few bits."""

from dataclasses import dataclass
from typing import Final, final

import torch
from torch import Tensor

from strategies.common.agreed import Agreed
from strategies.common.errors import WireError
from strategies.common.open_data import num_drawn

# Probabilities of so many bits travel as floating-point numbers.
FLOATS: Final = 32
# Of float16, summed over classes; steps may each be rounded up by half of one.
_TOLERANCE: Final = 1e-2


@final
@dataclass(frozen=True)
class Coarse:
    """How the answers of a round are made smaller.

    Attributes
    ----------
    samples, num_classes : int
        n and C.
    top : int
        Likeliest classes of which an answer tells (k); C tells of all.
    bits : int
        Of each probability (b), which is one of ``2**b - 1`` equal steps up from 0; 32 for
        floating-point numbers.
    """

    samples: int
    num_classes: int
    top: int
    bits: int

    @staticmethod
    def agreed(agreed: Agreed) -> "Coarse":
        """Return it as the method's settings have it, where 0 tells of all classes."""
        settings, classes = agreed.settings, agreed.task.num_classes
        samples = num_drawn(agreed.open_set, settings.samples_per_round)
        top = min(settings.upload_top or classes, classes)
        return Coarse(samples, classes, top, settings.upload_bits)

    @property
    def in_steps(self) -> bool:
        """Whether probabilities are steps."""
        return self.bits < FLOATS

    @property
    def class_bits(self) -> int:
        """Bits that say which class a probability is of; 0 where all are told."""
        return 0 if self.top == self.num_classes else (self.num_classes - 1).bit_length()

    def bytes_of(self, bits: int) -> int:
        """Return how many bytes so many bits for each told probability take."""
        return -(-self.samples * self.top * bits // 8)

    def kept(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Return the probabilities and classes (open, k) that are told of answers (open, class)."""
        if not self.class_bits:
            return rows, self.classes_of(None)
        found = rows.topk(self.top, dim=1)
        return found.values, found.indices

    def steps(self, values: Tensor) -> Tensor:
        """Return the nearest steps (open, k) int64 to probabilities: half of one off at most."""
        steps: Tensor = (values.double() * (2**self.bits - 1)).round().long()
        return steps

    def values(self, content: Tensor) -> Tensor:
        """Return the probabilities (open, k) that packed steps stand for."""
        steps = unpacked(content, self.bits, self.samples * self.top)
        values: Tensor = steps.double() / (2**self.bits - 1)
        return values.float().view(self.samples, self.top)

    def classes_of(self, content: Tensor | None) -> Tensor:
        """Return classes (open, k) as they were packed, or all of them.

        Raises
        ------
        WireError
            If one is none of the task's, or told twice for a sample.
        """
        if content is None:
            return torch.arange(self.num_classes).expand(self.samples, -1)
        told = unpacked(content, self.class_bits, self.samples * self.top)
        classes = told.view(self.samples, self.top)
        if int(told.max()) >= self.num_classes:
            raise WireError(
                f"classes: expected them below {self.num_classes}, got {int(told.max())}"
            )
        ordered = classes.sort(1).values
        if bool((ordered[:, 1:] == ordered[:, :-1]).any()):
            raise WireError("classes: expected each once for an open sample, got one twice")
        return classes

    def restored(self, values: Tensor, classes: Tensor) -> Tensor:
        """Return distributions (open, class): what is left to 1 is spread over classes untold.

        A class that is told has no less than one that is not: those that steps made too small share
        alike with these. Where steps sum to something else they are divided by that.

        Parameters
        ----------
        values, classes : Tensor
            (open, k) each.

        Raises
        ------
        WireError
            If what is told of a sample is more than 1 in all.
        """
        totals = values.sum(1, keepdim=True)
        most = 1 + _TOLERANCE + (self.top / 2 / (2**self.bits - 1) if self.in_steps else 0)
        if float(totals.max()) > most:
            raise WireError(
                f"rows: expected what is told of a sample to sum to 1 at most, got "
                f"{float(totals.max()):g}"
            )
        if not self.in_steps and not self.class_bits:
            return values
        level = self._level_of_untold(values)
        rows = level.expand(-1, self.num_classes).scatter(1, classes, values.maximum(level))
        sums = rows.sum(1, keepdim=True)
        return torch.where(sums > 0, rows / sums, torch.full_like(rows, 1 / self.num_classes))

    def _level_of_untold(self, values: Tensor) -> Tensor:
        """Return what each class has that is not told, or less than that: (open, 1)."""
        if self.top == self.num_classes:
            return values.new_zeros(len(values), 1)
        ordered = values.sort(1, descending=True).values
        told = torch.cat([torch.zeros_like(ordered[:, :1]), ordered.cumsum(1)], dim=1)
        # With the first j told, what is left is of all others.
        levels = (1 - told).clamp(min=0) / (self.num_classes - torch.arange(self.top + 1))
        above = (ordered >= levels[:, 1:]).sum(1, keepdim=True)
        return levels.gather(1, above)


def packed(numbers: Tensor, bits: int) -> Tensor:
    """Return numbers below ``2**bits`` as bytes (bytes,) uint8, without gaps.

    Examples
    --------
    >>> packed(torch.tensor([1, 0, 3]), 2).tolist()  # 01 00 11, and two bits to fill the byte
    [76]
    """
    places = torch.arange(bits - 1, -1, -1)
    flat = ((numbers.flatten()[:, None] >> places) & 1).flatten()
    filled = torch.cat([flat, flat.new_zeros(-len(flat) % 8)]).view(-1, 8)
    return (filled << torch.arange(7, -1, -1)).sum(1).to(torch.uint8)


def unpacked(content: Tensor, bits: int, count: int) -> Tensor:
    """Return the (count,) int64 numbers that :func:`packed` took."""
    flat = ((content.long()[:, None] >> torch.arange(7, -1, -1)) & 1).flatten()
    numbers = flat[: count * bits].view(count, bits)
    return (numbers << torch.arange(bits - 1, -1, -1)).sum(1)
