"""What FML sends, in float32: a model of P parameters and S statistics that all have alike."""

from typing import final

from strategies.common.payload import payload
from strategies.common.payloads import AuxiliaryModel
from strategies.common.round import Phase


@final
@payload("fml.meme", version=1)
class Meme(AuxiliaryModel):
    """The small model, up and, as a mean, down: ``4(P + S)`` bytes.

    As in FedAvg, samples that it was trained on can be drawn from it; it learnt the client's labels
    as well as what the client's own model says.
    """


WIRE = Phase(up=Meme, down=Meme)
