"""What FedDF sends: whole models, in float32, of P parameters and S statistics."""

from typing import final

from strategies.common.payload import payload
from strategies.common.payloads import WholeModel
from strategies.common.round import Phase


@final
@payload("feddf.model", version=2)
class Model(WholeModel):
    """A client's model, to the server: ``4(P + S)`` bytes.

    As in FedAvg, samples that a model was trained on can be drawn from how its weights moved.
    """


@final
@payload("feddf.student", version=2)
class Student(WholeModel):
    """What all clients taught the mean of an architecture, to its clients: ``4(P + S)`` bytes."""


WIRE = Phase(up=Model, down=Student)
