"""LG-FedAvg on a device: learn from the common head on, and send it."""

from typing import final

from strategies.common.device import MessageDevice
from strategies.common.message import ModelState
from strategies.common.shared_head import SharedHeadClient
from strategies.lgfedavg.settings import LGFedAvgSettings
from strategies.lgfedavg.wire import WIRE, Head


@final
class LGFedAvgClient(SharedHeadClient[LGFedAvgSettings, Head, Head]):
    """Keeps its features to itself."""

    wire = WIRE

    def sent(self, device: MessageDevice, state: ModelState) -> Head:
        """Return the head as it was trained."""
        return Head.of(state.model.head)
