"""What FedAvg sends: whole models, in float32, of P parameters and S statistics."""

from typing import final

from strategies.common.payload import payload
from strategies.common.payloads import WholeModel
from strategies.common.round import Phase


@final
@payload("fedavg.model", version=1)
class Model(WholeModel):
    """A client's model to the server, and its group's mean back: ``4(P + S)`` bytes each way.

    Samples that a model was trained on can be drawn from its weights, the more so from how they
    moved in one round (Zhu et al., "Deep Leakage from Gradients", NeurIPS 2019).
    """


WIRE = Phase(up=Model, down=Model)
