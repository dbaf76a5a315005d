"""Settings of FedDF: the table ``feddf``."""

from typing import final

from pydantic import Field

from strategies.common.settings import Settings


@final
class FedDFSettings(Settings):
    """How the server distils.

    Attributes
    ----------
    distill_steps : int
        Steps of each student in a round (N in the paper, at most 10,000); 0 makes it FedAvg.
    distill_learning_rate : float
        Of Adam, at the first step; falls to 0 by half a cosine (1e-3 in the paper).
    distill_batch_size : int
        Open samples per step (128 in the paper).
    drop_worst : float
        Models are left out of a round that are right on at most so many times as many *labelled*
        open samples as chance (1.2 in the authors' code); with 0 nobody reads their labels.
    """

    distill_steps: int = Field(ge=0)
    distill_learning_rate: float = Field(gt=0)
    distill_batch_size: int = Field(ge=2)
    drop_worst: float = Field(ge=0)
