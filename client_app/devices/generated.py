"""Samples that a client generated before the first round."""

from dataclasses import dataclass
from typing import final

from strategies.common.samples import Samples


@final
@dataclass(frozen=True)
class Generated:
    """What a client learns from beside its own samples.

    Attributes
    ----------
    samples : Samples
        Inputs as of its own, with the labels that were asked for.
    generator : str
        SHA-256 of what they were generated with, as it travelled.
    figures : dict[str, float]
        How much of what the client lacks shows to others, by name.
    """

    samples: Samples
    generator: str
    figures: dict[str, float]
