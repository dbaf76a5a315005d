"""What FedMRL sends, in float32: a small model of P parameters and S statistics."""

from typing import final

from strategies.common.payload import payload
from strategies.common.payloads import AuxiliaryModel
from strategies.common.round import Phase


@final
@payload("fedmrl.small-model", version=1)
class SmallModel(AuxiliaryModel):
    """The small model, up and as a mean down: ``4(P + S)`` bytes; samples can be drawn from it."""


WIRE = Phase(up=SmallModel, down=SmallModel)
