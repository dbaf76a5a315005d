"""Settings of FedAvg: the table ``fedavg``."""

from typing import Literal, final

from pydantic import Field

from strategies.common.settings import Settings


@final
class FedAvgSettings(Settings):
    """What keeps clients together, and which model is tested.

    Attributes
    ----------
    proximal_weight : float
        Weight of FedProx's term, half the squared distance to what the round began with (mu in
        its eq. 2); 0 is FedAvg.
    test : str
        ``"aggregated"`` tests the group's mean, ``"trained"`` what a client made of the last one.
    """

    proximal_weight: float = Field(ge=0)
    test: Literal["aggregated", "trained"]
