"""What FedDF sends: whole models, in float32, of P parameters and S statistics."""

from typing import final

from strategies.common.payload import payload
from strategies.common.payloads import WholeModel
from strategies.common.round import Phase


@final
@payload("feddf.model", version=1)
class Model(WholeModel):
    """A client's model to the server, and its group's student back: ``4(P + S)`` bytes each way.

    As in FedAvg, samples that a model was trained on can be drawn from how its weights moved.
    """


WIRE = Phase(up=Model, down=Model)
