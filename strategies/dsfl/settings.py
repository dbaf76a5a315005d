"""Settings of DS-FL: the table ``dsfl``."""

from typing import Literal, final

from pydantic import Field

from strategies.common.settings import Settings


@final
class DSFLSettings(Settings):
    """What clients are asked, how answers become one, and how that is learnt.

    Attributes
    ----------
    samples_per_round : int
        Open samples that a round asks about, drawn anew each time; 0 asks about all.
    aggregation : str
        ``"era"``; ``"mean"`` is the simple aggregation (SA) that the paper compares with;
        ``"power"`` raises probabilities to ``power`` and normalises them.
    temperature : float
        Of ERA's softmax (T; 0.1 in the paper, for ten classes); smaller is sharper.
    power : float
        Of the enhanced rule (beta); 1 changes nothing.
    era_order : str
        ``"after_mean"`` sharpens the mean; ``"per_client"`` the outputs of each client.
    distill_learning_rate : float
        Step size of plain SGD on the open data.
    distill_batch_size, distill_epochs : int
        Open samples per step, and passes over those of a round.
    """

    samples_per_round: int = Field(ge=0)
    aggregation: Literal["era", "mean", "power"]
    temperature: float = Field(gt=0)
    power: float = Field(ge=1)
    era_order: Literal["after_mean", "per_client"]
    distill_learning_rate: float = Field(gt=0)
    distill_batch_size: int = Field(ge=2)
    distill_epochs: int = Field(ge=1)
