"""What FedAvg sends: whole models, in float32, of P parameters and S statistics."""

from typing import final

from strategies.common.payload import payload
from strategies.common.payloads import WholeModel
from strategies.common.round import Phase


@final
@payload("fedavg.model", version=2)
class Model(WholeModel):
    """A client's model, to the server: ``4(P + S)`` bytes.

    Samples that a model was trained on can be drawn from its weights, the more so from how they
    moved in one round (Zhu et al., "Deep Leakage from Gradients", NeurIPS 2019).
    """


@final
@payload("fedavg.mean", version=2)
class GroupMean(WholeModel):
    """The mean of an architecture, to its clients: ``4(P + S)`` bytes; of one client, its own."""


WIRE = Phase(up=Model, down=GroupMean)
