"""Samples without labels that server and clients all hold, about which clients can be asked."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, final

import torch
from torch import Tensor

from strategies.common import seeds
from strategies.common.errors import DataError
from strategies.common.foreign_text import seen
from strategies.common.inputs import Images, Inputs, Windows, inputs_of

# Of a longer list of classes, as many are named.
_NAMED: Final = 5
# Of a digest, in messages.
_DIGITS: Final = 12


@final
@dataclass(frozen=True)
class OpenSet:
    """What all must hold alike, as far as it is told.

    Attributes
    ----------
    sha256 : str
        Hexadecimal digest of the inputs, in their order.
    samples : int
        How many there are.
    """

    sha256: str
    samples: int

    def __str__(self) -> str:
        """Return number and digest, for messages."""
        return f"{self.samples} samples of sha256 {self.sha256[:_DIGITS]}"


@final
@dataclass(frozen=True)
class OpenData:
    """The samples themselves.

    Attributes
    ----------
    inputs : Tensor
        (samples, ...) as of ``Samples``; there are no labels.
    told : OpenSet
        What tells them from others.
    vocabulary : int
        Of tokens; 0 for all other inputs.
    """

    inputs: Tensor
    told: OpenSet
    vocabulary: int = 0

    @property
    def each_input(self) -> Inputs:
        """What one sample is."""
        return inputs_of(self.inputs, self.vocabulary)

    @staticmethod
    def of(inputs: Tensor, vocabulary: int = 0) -> "OpenData":
        """Return inputs with what tells them from others."""
        named = f"{inputs.dtype}:{tuple(inputs.shape)};".encode()
        digest = hashlib.sha256(named + inputs.contiguous().numpy().tobytes()).hexdigest()
        return OpenData(inputs, OpenSet(digest, len(inputs)), vocabulary)


@final
@dataclass(frozen=True)
class OpenLabels:
    """What the samples are, for methods that are told to read it.

    Attributes
    ----------
    labels : Tensor
        (samples,) int64.
    class_names : tuple[str, ...]
        In label order.
    """

    labels: Tensor
    class_names: tuple[str, ...]

    def of_classes(self, expected: Sequence[str], where: str, unless: str) -> Tensor:
        """Return the labels, if they mean what the clients' do.

        Parameters
        ----------
        expected : Sequence[str]
            Names of the clients' classes, in label order.
        where, unless : str
            For the error: on whose side, and with which settings nobody reads labels.

        Raises
        ------
        DataError
            If the classes are others.
        """
        if self.class_names == tuple(expected):
            return self.labels
        wanted, got = (
            f"{len(names)} classes, {', '.join(map(seen, names[:_NAMED]))}"
            for names in (expected, self.class_names)
        )
        raise DataError(
            f"{where}setting open-data: expected samples of the {wanted} of the clients' own "
            f"data, since their labels are read, got {got}; name others, or set {unless}"
        )


def require_readable(opened: OpenData, theirs: Inputs, where: str = "") -> None:
    """Refuse open data that clients' models cannot read.

    Parameters
    ----------
    opened : OpenData
        As they are held.
    theirs : Inputs
        What the clients' own data are.
    where : str
        For the error: on whose side they are held.

    Raises
    ------
    DataError
        With what to do.
    """
    got = opened.each_input
    if got != theirs:
        raise DataError(
            f"{where}setting open-data: expected {theirs} as clients' own data have, got {got}; "
            f"{_advice(theirs, got)}"
        )


def _advice(theirs: Inputs, got: Inputs) -> str:
    if isinstance(theirs, Images) and isinstance(got, Images):
        return "set image-size and channels, or name others"
    alike = isinstance(theirs, Windows) and isinstance(got, Windows)
    if alike and theirs.shape[0] == got.shape[0]:
        return f"set window-length={theirs.shape[1]}, or name others"
    return "name others"


def drawn(told: OpenSet, count: int, seed: int, round_number: int) -> Tensor:
    """Return the rows that a round is about: the same for server and clients.

    Parameters
    ----------
    told : OpenSet
        Gives the number of samples.
    count : int
        How many are drawn; 0, or more than there are, takes all.
    seed : int
        The run's.
    round_number : int
        From 1.

    Returns
    -------
    Tensor
        (drawn,) int64, ascending.
    """
    if not 0 < count < told.samples:
        return torch.arange(told.samples)
    order = seeds.generator(seed, "open data", round_number=round_number)
    return torch.randperm(told.samples, generator=order)[:count].sort().values


def num_drawn(told: OpenSet, count: int) -> int:
    """Return how many rows :func:`drawn` draws."""
    return min(count, told.samples) if count else told.samples
