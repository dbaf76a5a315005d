"""Settings of FedProto: the table ``fedproto``."""

from typing import Literal, final

from pydantic import Field

from strategies.common.settings import Settings


@final
class FedProtoSettings(Settings):
    """How FedProto regularises, averages and classifies.

    Attributes
    ----------
    proto_weight : float
        Weight of the prototype loss (lambda in eq. 7). The loss is a mean of squared
        differences over batch **and** feature entries, so that lambda does not depend on
        ``feature-dim``; values for a squared Euclidean distance, which sums over the
        features, are to be multiplied by ``feature-dim`` to mean the same here. In this
        unit HtFLlib is tuned to 10, and the authors' runs used 1, or 0.1 for CIFAR-10.
    aggregation : str
        ``"counts"`` weighs a client's class mean by its samples of that class, as the paper
        does; ``"uniform"`` weighs all holders of a class alike, as the reference code does.
    inference : str
        ``"prototype"`` picks the nearest prototype, as the paper does; ``"head"`` picks the
        largest logit of the client's own head.
    """

    proto_weight: float = Field(ge=0)
    aggregation: Literal["counts", "uniform"]
    inference: Literal["prototype", "head"]
