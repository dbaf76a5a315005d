"""What every builder of the zoo returns."""

from dataclasses import dataclass
from typing import final

from torch import nn


@final
@dataclass(frozen=True)
class Body:
    """A feature extractor without pooling to a common width and without a head.

    Attributes
    ----------
    network : nn.Module
        Maps prepared inputs (batch, *shape of one) to (batch, width).
    width : int
        The network's natural number of features.
    """

    network: nn.Module
    width: int
