"""Settings of FedProto: the table ``fedproto``."""

from typing import Literal, final

from strategies.common.prototype_client import PrototypeSettings


@final
class FedProtoSettings(PrototypeSettings):
    """How FedProto averages, beside how its clients learn and classify.

    Its weight (lambda in eq. 7) is tuned to 10 in HtFLlib, in this unit; the authors used 1, or 0.1
    for CIFAR-10. The nearest prototype picks a class in the paper (eq. 4).

    Attributes
    ----------
    aggregation : str
        ``"counts"`` weighs a class mean by its samples (paper), ``"uniform"`` not (code).
    """

    aggregation: Literal["counts", "uniform"]
