"""What FedKD sends, in float32: a model of P parameters and S statistics that all have alike."""

from typing import final

from torch import Tensor

from strategies.common.low_rank import Factors
from strategies.common.payload import payload, tensor
from strategies.common.round import Phase


@final
@payload("fedkd.update", version=1)
class Update(Factors):
    """What a client's round changed of the mentee, to the server: at most ``4(P + S)`` bytes.

    As in FedAvg, samples that it was trained on can be drawn from it, though less of low ranks.
    """


@final
@payload("fedkd.mentee", version=1)
class Mentee(Factors):
    """The mean change, to clients that were there in the last round; to others the whole mentee.

    Attributes
    ----------
    base, number : Tensor
        (one,) int64, number of the mentee that is to be changed, 0 if the whole one travels; and
        of the one that comes of it.
    """

    base: Tensor = tensor("int64", "one", low=0)
    number: Tensor = tensor("int64", "one", low=1)


WIRE = Phase(up=Update, down=Mentee)
