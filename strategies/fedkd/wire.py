"""What FedKD sends, in float32: a model of P parameters and S statistics that all have alike."""

from typing import final

from strategies.common.low_rank import Factors
from strategies.common.numbered_changes import NumberedFactors
from strategies.common.payload import payload
from strategies.common.round import Phase


@final
@payload("fedkd.update", version=1)
class Update(Factors):
    """What a client's round changed of the mentee, to the server: at most ``4(P + S)`` bytes.

    As in FedAvg, samples that it was trained on can be drawn from it, though less of low ranks.
    """


@final
@payload("fedkd.mentee", version=1)
class Mentee(NumberedFactors):
    """The mean change, to clients that were there in the last round; to others the whole mentee."""


WIRE = Phase(up=Update, down=Mentee)
