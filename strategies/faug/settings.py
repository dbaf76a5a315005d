"""Settings of FAug: the table ``faug``, read where ``augmentation="faug"``."""

from typing import Literal, final

from pydantic import Field

from strategies.common.settings import Settings


@final
class FAugSettings(Settings):
    """What is uploaded, and the generator that comes of it.

    Attributes
    ----------
    target_below : float
        Of its commonest label's samples, the share below which a client lacks a label.
    seeds_per_label, redundant_labels : int
        Samples that it uploads of each (5 in the paper), and labels that hide which it lacks.
    oversampler, oversampled : str, int
        ``"seeds"`` makes variations of them, ``"open"`` takes labelled open data, up to so many
        images of each label.
    noise_dim, hidden_dim : int
        Widths of noise and of the first of three hidden layers, each twice as wide as the one
        before; 100 and 256 are the paper's.
    steps, batch_size, learning_rate : int, int, float
        Of Adam, for generator and discriminator.
    """

    target_below: float = Field(gt=0, le=1)
    seeds_per_label: int = Field(ge=1, le=10_000)
    redundant_labels: int = Field(ge=0)
    oversampler: Literal["seeds", "open"]
    oversampled: int = Field(ge=2)
    noise_dim: int = Field(ge=1, le=4096)
    hidden_dim: int = Field(ge=1, le=4096)
    steps: int = Field(ge=1)
    batch_size: int = Field(ge=2)
    learning_rate: float = Field(gt=0)
