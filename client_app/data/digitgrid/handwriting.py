"""The handwritten digits that are painted, dealt once to pretraining, clients and testing."""

from dataclasses import dataclass
from enum import Enum
from typing import final

import torch
from torch import Tensor

from client_app.data import digits

# Side in pixels of an enlarged digit, a quarter of a picture.
SIDE = 16


@final
class Portion(Enum):
    """Who may paint with a digit; the value is how many of the 1797 that are."""

    PRETRAINING = 900
    CLIENTS = 500
    TEST = 397


@final
@dataclass(frozen=True)
class Handwriting:
    """All digits, enlarged.

    Attributes
    ----------
    ink : Tensor
        (digits, 16, 16) uint8, 0 for paper and 255 for full ink.
    digits : Tensor
        (digits,) int64 from 0 to 9, what each of them reads.
    """

    ink: Tensor
    digits: Tensor

    def rows(self, portion: Portion) -> Tensor:
        """Return the digits that belong to a portion, sorted by what they read.

        The deal draws from no random generator, so it can never change under a checkpoint
        that was pretrained on one portion. Digits are sorted by what they read, in the
        source's order otherwise, and dealt out at even distances: each portion gets its
        share of every digit, give or take one, and of every stretch of the source, which is
        sorted by writer.

        Returns
        -------
        Tensor
            (portion,) int64 positions.
        """
        ordered = self.digits.argsort(stable=True)
        tests = _evenly(Portion.TEST.value, len(ordered))
        if portion is Portion.TEST:
            return ordered[tests]
        rest = ordered[~tests]
        clients = _evenly(Portion.CLIENTS.value, len(rest))
        return rest[clients if portion is Portion.CLIENTS else ~clients]


def load() -> Handwriting:
    """Read the digits; once is enough for any number of pictures.

    Raises
    ------
    DataError
        If scikit-learn, which holds them, is not installed.
    """
    collection = digits.read()
    reading = collection.read(torch.arange(len(collection.labels)), SIDE)
    return Handwriting(reading.inputs[:, 0], collection.labels)


def _evenly(chosen: int, count: int) -> Tensor:
    steps = torch.arange(count + 1) * chosen // count
    return steps.diff().bool()
