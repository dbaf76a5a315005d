"""What MocoSFL's halves send each other between sessions: weights of client models.

Activations and gradients travel on the stream and are no payloads; with ``cache-rounds`` the
server keeps the activations of the first rounds in its checkpoints. Sizes are for float32; P
stands for the parameters of one client model, m for the members of the pool on one node.
"""

from dataclasses import dataclass
from typing import ClassVar, final

from torch import Tensor

from strategies.common.task import Task
from strategies.common.wire import Payload, Sizes, tensor

# The settings fix the exact lengths, which ``MocoSFLServer.check`` and the device verify.
MAX_PARAMETERS = 2**28
MAX_MEMBERS = 10_000


@final
@dataclass(frozen=True)
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

    schema: ClassVar[str] = "mocosfl.fronts"
    version: ClassVar[int] = 1

    fronts: Tensor = tensor("float", "members", "parameters")
    momentum: Tensor = tensor("float", "followers", "parameters")
    clients: Tensor = tensor("int64", "members")

    @staticmethod
    def sizes(task: Task) -> Sizes:
        """Return wide bounds: the task does not tell the size of a client model."""
        bounds = {"members": MAX_MEMBERS, "followers": MAX_MEMBERS, "parameters": MAX_PARAMETERS}
        return Sizes(task.num_classes, {}, bounds)


@final
@dataclass(frozen=True)
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

    schema: ClassVar[str] = "mocosfl.averaged-front"
    version: ClassVar[int] = 1

    front: Tensor = tensor("float", "parameters")
    momentum: Tensor = tensor("float", "averaged", "parameters")

    @staticmethod
    def sizes(task: Task) -> Sizes:
        """Return wide bounds: the task does not tell the size of a client model."""
        return Sizes(task.num_classes, {}, {"averaged": 1, "parameters": MAX_PARAMETERS})
