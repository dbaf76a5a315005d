"""FedProto on a device: learn towards the global prototypes (eq. 7), send one's own (eq. 3)."""

from typing import final

from strategies.common.prototype_client import PrototypeClient
from strategies.fedproto.settings import FedProtoSettings
from strategies.fedproto.wire import WIRE, GlobalPrototypes, Prototypes


@final
class FedProtoClient(PrototypeClient[FedProtoSettings, GlobalPrototypes, Prototypes]):
    """Sends its classes' means, with their samples where these weigh."""

    wire = WIRE
