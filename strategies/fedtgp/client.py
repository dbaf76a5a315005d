"""FedTGP on a device: FedProto's client, which sends plain means."""

from dataclasses import replace
from typing import final

from strategies.common.device import MessageDevice
from strategies.common.message import LocalTraining, ModelState
from strategies.common.prototype_client import PrototypeClient
from strategies.fedtgp.settings import FedTGPSettings
from strategies.fedtgp.wire import WIRE, GlobalPrototypes, Prototypes


@final
class FedTGPClient(PrototypeClient[FedTGPSettings, GlobalPrototypes, Prototypes]):
    """Sends its classes' means."""

    wire = WIRE

    def local_training(
        self, device: MessageDevice, state: ModelState, downlink: GlobalPrototypes | None
    ) -> LocalTraining[Prototypes]:
        """Learn as any such client; means may be those of the model that the round begins with."""
        plan = super().local_training(device, state, downlink)
        if self.settings.prototypes == "trained":
            return plan
        before = plan.uplink()
        return replace(plan, uplink=lambda: before)
