"""FedGH on a device: learn from the global head on, and send the mean feature of each class."""

from typing import final

from strategies.common.class_means import class_means
from strategies.common.device import MessageDevice
from strategies.common.message import ModelState
from strategies.common.shared_head import SharedHeadClient
from strategies.fedgh.settings import FedGHSettings
from strategies.fedgh.wire import WIRE, Head, Means


@final
class FedGHClient(SharedHeadClient[FedGHSettings, Head, Means]):
    """Shares what its classes look like to it."""

    wire = WIRE

    def sent(self, device: MessageDevice, state: ModelState) -> Means:
        """Return means of the training samples' features, by class."""
        found = class_means(device, state.model)
        return Means(found.rows, found.labels)
