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
        Weight of the prototype loss (lambda in eq. 7), a mean over batch and features; in this
        unit HtFLlib is tuned to 10, and the authors used 1, or 0.1 for CIFAR-10.
    aggregation : str
        ``"counts"`` weighs a class mean by its samples (paper), ``"uniform"`` not (code).
    inference : str
        ``"prototype"`` picks the nearest prototype (paper), ``"head"`` the largest logit.
    test_classes : str
        Whose prototypes compete: of the client's ``"own"`` training classes, or of ``"all"``.
    """

    proto_weight: float = Field(ge=0)
    aggregation: Literal["counts", "uniform"]
    inference: Literal["prototype", "head"]
    test_classes: Literal["own", "all"]
