"""What MocoSFL's halves send each other between sessions: weights of client models.

Activations and gradients travel on the stream and are no payloads; with ``cache-rounds`` the
server keeps the activations of the first rounds in its checkpoints. Sizes are for float32; P
stands for the parameters of one client model, m for the members of the pool on one node.
"""

from typing import final

from torch import Tensor

from strategies.common.agreed import Agreed
from strategies.common.payload import Payload, Sizes, payload, tensor
from strategies.common.round import Phase

# The settings fix the exact lengths, which ``MocoSFLServer.check`` and the device verify.
MAX_PARAMETERS = 2**28
MAX_MEMBERS = 10_000


@final
@payload("mocosfl.fronts", version=1)
class Fronts(Payload):
    """Client models after a session, from node to server: ``4mP + 8m`` bytes and a header.

    With averaged momentum models ``8mP + 8m``; empty where clients are frozen. Tells the
    server each client model; with it and the activations it received, it may reconstruct
    images (TAResSFL guards against that).

    Attributes
    ----------
    fronts : Tensor
        (members, parameters) float; each client's online model as one vector.
    momentum : Tensor
        (followers, parameters) float; momentum models, of all members or of none.
    clients : Tensor
        (members,) int64; logical client of each row.
    """

    fronts: Tensor = tensor("float", "members", "parameters")
    momentum: Tensor = tensor("float", "followers", "parameters")
    clients: Tensor = tensor("int64", "members")

    @classmethod
    def sizes(cls, agreed: Agreed) -> Sizes:
        """Return wide bounds: the task does not tell the size of a client model."""
        bounds = {"members": MAX_MEMBERS, "followers": MAX_MEMBERS, "parameters": MAX_PARAMETERS}
        return Sizes({}, bounds)


@final
@payload("mocosfl.averaged-front", version=1)
class AveragedFront(Payload):
    """The synchronised client model, from server to every node: ``4P`` bytes and a header.

    With an averaged momentum model ``8P``. Tells a node the mean of the pool's models, or
    the expert's model, which is the same for all.

    Attributes
    ----------
    front : Tensor
        (parameters,) float; the online model.
    momentum : Tensor
        (averaged, parameters) float; one row with the momentum model, or none.
    """

    front: Tensor = tensor("float", "parameters")
    momentum: Tensor = tensor("float", "averaged", "parameters")

    @classmethod
    def sizes(cls, agreed: Agreed) -> Sizes:
        """Return wide bounds: the task does not tell the size of a client model."""
        return Sizes({}, {"averaged": 1, "parameters": MAX_PARAMETERS})


WIRE = Phase(up=Fronts, down=AveragedFront)
