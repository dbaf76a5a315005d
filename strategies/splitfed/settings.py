"""Settings of SplitFed: the table ``splitfed``."""

from typing import Literal, final

from pydantic import Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from strategies.common.settings import Settings


@final
class SplitFedSettings(Settings):
    """How clients and server learn together.

    Clients take batch size and step size from the general settings ``batch-size`` and
    ``learning-rate``, and the part of them that takes part in a round from
    ``participation``.

    Attributes
    ----------
    version : str
        ``"v1"`` lets the server's part learn from all clients of a step in parallel;
        ``"v2"`` from one client after another, in an order drawn anew for every step.
    gradient_scale : str
        ``"client"`` returns to each client the gradient of the mean over its own batch, as
        the paper does; in v1 the server then keeps one copy of its part per client and
        averages them at the end of the round. ``"pool"`` returns the client's slice of the
        gradient of the mean over all clients' samples, which is smaller by the number of
        clients; the server then has one part and takes one step for all of them. Only v1
        has it.
    server_learning_rate : float
        Step size of the server's SGD.
    momentum, weight_decay : float
        Of SGD on both sides; buffers are kept from round to round.
    steps_per_round : int
        Optimiser steps between two synchronisations; 0 is one pass over the samples of the
        largest client. The very first round then takes a single step, since nobody has told
        its size yet.
    """

    version: Literal["v1", "v2"]
    gradient_scale: Literal["client", "pool"]
    server_learning_rate: float = Field(gt=0)
    momentum: float = Field(ge=0, lt=1)
    weight_decay: float = Field(ge=0)
    steps_per_round: int = Field(ge=0)

    @field_validator("gradient_scale")
    @classmethod
    def _one_client_at_a_time_has_no_pool(cls, value: str, info: ValidationInfo) -> str:
        if value == "pool" and info.data.get("version") == "v2":
            raise PydanticCustomError(
                "no_pool", "Input should be 'client' with version v2, which has no common mean"
            )
        return value

    @property
    def copies(self) -> bool:
        """Whether the server's part has one copy per client within a round."""
        return self.version == "v1" and self.gradient_scale == "client"
