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
        ``"era"``; ``"mean"`` is the simple aggregation (SA) that the paper compares with;
        ``"power"`` raises probabilities to ``power`` and normalises them.
    temperature : float
        Of ERA's softmax (T; 0.1 in the paper, for ten classes); smaller is sharper.
    power : float
        Of the enhanced rule (beta); 1 changes nothing.
    era_order : str
        ``"after_mean"`` sharpens the mean; ``"per_client"`` the outputs of each client.
    """

    aggregation: Literal["era", "mean", "power"]
    temperature: float = Field(gt=0)
    power: float = Field(ge=1)
    era_order: Literal["after_mean", "per_client"]
