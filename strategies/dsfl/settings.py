"""Settings of DS-FL: the table ``dsfl``."""

from typing import Literal, final

from pydantic import Field

from strategies.common.open_settings import OpenDistributionSettings


@final
class DSFLSettings(OpenDistributionSettings):
    """How answers become one, beside what all such methods set.

    Attributes
    ----------
    aggregation : str
        ``"era"``; ``"era_per_client"`` sharpens each client's outputs before the mean; ``"mean"``
        is the simple aggregation (SA) that the paper compares with; ``"power"`` is enhanced ERA.
    temperature, power : float
        Of ERA's softmax (T; 0.1 in the paper, for ten classes), smaller is sharper; and of the
        enhanced rule (beta), which normalises powers of probabilities: 1 changes nothing.
    """

    aggregation: Literal["era", "era_per_client", "mean", "power"]
    temperature: float = Field(ge=1e-6)
    power: float = Field(ge=1)
