"""The client models that travel between sessions, alike in all split methods.

Sizes are for float32; P stands for the parameters of one client model, m for the clients of
the pool on one node. A method derives its payloads and says what they reveal.
"""

from torch import Tensor

from strategies.common.agreed import Agreed
from strategies.common.errors import WireError
from strategies.common.payload import Payload, Sizes, payload_base, tensor
from strategies.common.split.networks.of_run import cut_shape
from strategies.common.split.plan import Plan


@payload_base
class AveragedModel(Payload):
    """The synchronised client model, from server to every node: ``4P`` bytes.

    Attributes
    ----------
    model : Tensor
        (parameters,) float.
    """

    model: Tensor = tensor("float", "parameters", means="weights")

    @classmethod
    def sizes(cls, agreed: Agreed) -> Sizes:
        """Return the number of a client model's parameters."""
        return Sizes({"parameters": num_parameters(agreed)})


@payload_base
class TrainedModels(Payload):
    """Client models after a session, from node to server: ``4mP + 8m`` bytes.

    Attributes
    ----------
    models : Tensor
        (clients, parameters) float; each client's model as one vector.
    clients : Tensor
        (clients,) int64; logical client of each row, ascending.
    """

    models: Tensor = tensor("float", "clients", "parameters", means="weights")
    clients: Tensor = tensor("int64", "clients", low=0)

    @classmethod
    def sizes(cls, agreed: Agreed) -> Sizes:
        """Return a row for each client that a node may carry."""
        parameters = {"parameters": num_parameters(agreed)}
        return Sizes(parameters, {"clients": agreed.run.clients_per_node})


def num_parameters(agreed: Agreed) -> int:
    """Return the length of one client model."""
    return cut_shape(agreed.split, agreed.task).num_parameters


def check_clients(node: int, sent: TrainedModels, plan: Plan, clients_per_node: int) -> None:
    """Refuse models of other clients than those of the session that a node carries.

    Raises
    ------
    WireError
        Naming expected and got.
    """
    seats = plan.seats(node, clients_per_node)
    expected = sorted(client for cohort in seats for client in cohort)
    got = sent.clients.tolist()
    if got != expected:
        raise WireError(
            f"client {node}: {sent.schema}.clients: expected {expected}, got {got}; "
            f"server and devices must run with the same clients-per-node"
        )
