"""What one input of a network is: an image, a window of readings, a row of tokens or of numbers."""

from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from typing import ClassVar, final

import torch
from torch import Tensor

from strategies.common.errors import ModelError


@final
@dataclass(frozen=True)
class Images:
    """Pictures: networks read (batch, channels, height, width) float32.

    Attributes
    ----------
    channels, height, width : int
        Shape of one image; its sides in pixels.
    """

    kind: ClassVar[str] = "images"
    channels: int
    height: int
    width: int

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one input."""
        return (self.channels, self.height, self.width)

    def example(self, count: int, generator: torch.Generator) -> Tensor:
        """Draw a batch as a network reads it: noise in [-1, 1]."""
        return torch.rand(count, *self.shape, generator=generator).mul_(2).sub_(1)

    def __str__(self) -> str:
        """Return the kind and the sizes, for messages."""
        sizes = f"{self.channels} x {self.height} x {self.width}"
        return f"images of {sizes} (channels x height x width)"


@final
@dataclass(frozen=True)
class Windows:
    """Readings of several sensors over time: networks read (batch, channels, steps) float32.

    Attributes
    ----------
    channels, steps : int
        Sensors, and readings of each.
    """

    kind: ClassVar[str] = "windows"
    channels: int
    steps: int

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one input."""
        return (self.channels, self.steps)

    def example(self, count: int, generator: torch.Generator) -> Tensor:
        """Draw a batch as a network reads it: normal noise."""
        return torch.randn(count, *self.shape, generator=generator)

    def __str__(self) -> str:
        """Return the kind and the sizes, for messages."""
        return f"windows of {self.channels} x {self.steps} (channels x steps)"


@final
@dataclass(frozen=True)
class Tokens:
    """Texts as numbers of words: networks read (batch, length) int64.

    Attributes
    ----------
    length : int
        Tokens of one text, padding included.
    vocabulary : int
        Numbers that a token can have, from 0.
    """

    kind: ClassVar[str] = "tokens"
    length: int
    vocabulary: int

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one input."""
        return (self.length,)

    def example(self, count: int, generator: torch.Generator) -> Tensor:
        """Draw a batch as a network reads it: any tokens."""
        return torch.randint(self.vocabulary, (count, self.length), generator=generator)

    def __str__(self) -> str:
        """Return the kind and the sizes, for messages."""
        return f"rows of {self.length} tokens from a vocabulary of {self.vocabulary}"


@final
@dataclass(frozen=True)
class Columns:
    """Numbers of a table's row: networks read (batch, columns) float32.

    Attributes
    ----------
    columns : int
        Numbers of one row.
    """

    kind: ClassVar[str] = "columns"
    columns: int

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one input."""
        return (self.columns,)

    def example(self, count: int, generator: torch.Generator) -> Tensor:
        """Draw a batch as a network reads it: normal noise."""
        return torch.randn(count, self.columns, generator=generator)

    def __str__(self) -> str:
        """Return the kind and the sizes, for messages."""
        return f"rows of {self.columns} numbers"


Inputs = Images | Windows | Tokens | Columns
InputsKind = type[Images] | type[Windows] | type[Tokens] | type[Columns]
KINDS: dict[str, InputsKind] = {kind.kind: kind for kind in (Images, Windows, Tokens, Columns)}


def sizes_of(inputs: Inputs) -> list[int]:
    """Return the sizes that :func:`from_sizes` reads back, in the order of the fields."""
    return list(astuple(inputs))


def from_sizes(kind: str, sizes: Sequence[int]) -> Inputs:
    """Build inputs of a kind from their sizes.

    Raises
    ------
    ValueError
        If the kind is unknown, or has another number of sizes.
    """
    if kind not in KINDS:
        raise ValueError(f"expected one of {', '.join(KINDS)}, got {kind!r}")
    names = [field.name for field in fields(KINDS[kind])]
    if len(sizes) != len(names):
        raise ValueError(f"expected {', '.join(names)} of {kind}, got {len(sizes)} sizes")
    return KINDS[kind](*sizes)


def inputs_of(batch: Tensor, vocabulary: int = 0) -> Inputs:
    """Return what the rows of a batch are, by its axes.

    Parameters
    ----------
    batch : Tensor
        (samples, channels, height, width), (samples, channels, steps), int64 (samples, length)
        or floats (samples, columns).
    vocabulary : int
        Of tokens, which do not tell it themselves.

    Raises
    ------
    ModelError
        If it is none of these.

    Examples
    --------
    >>> inputs_of(torch.zeros(5, 9, 128))
    Windows(channels=9, steps=128)
    """
    match tuple(batch.shape):
        case (_, channels, height, width):
            return Images(channels, height, width)
        case (_, channels, steps):
            return Windows(channels, steps)
        case (_, length) if batch.dtype == torch.int64 and vocabulary:
            return Tokens(length, vocabulary)
        case (_, columns) if batch.is_floating_point():
            return Columns(columns)
    raise ModelError(
        f"expected images (samples, channels, height, width), windows (samples, channels, steps), "
        f"floats (samples, columns) or int64 tokens (samples, length) with a vocabulary, got "
        f"{batch.dtype} of shape {tuple(batch.shape)} and vocabulary {vocabulary}"
    )
