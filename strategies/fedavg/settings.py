"""Settings of FedAvg: the table ``fedavg``."""

from typing import final

from pydantic import Field

from strategies.common.tested_mean import TestedMeanSettings


@final
class FedAvgSettings(TestedMeanSettings):
    """What keeps clients together, beside which model is tested.

    Attributes
    ----------
    proximal_weight : float
        Weight of FedProx's term, half the squared distance to what the round began with (mu in
        its eq. 2); 0 is FedAvg.
    """

    proximal_weight: float = Field(ge=0)
