"""The device half of Local: cross-entropy on the client's own samples."""

from typing import final

from strategies.common.device import MessageDevice
from strategies.common.message import LocalTraining, MessageClient, ModelState, label_loss
from strategies.common.payload import Payload
from strategies.local.settings import LocalSettings


@final
class LocalClient(MessageClient[LocalSettings, ModelState, Payload, Payload]):
    """Learns alone."""

    def local_training(
        self,
        device: MessageDevice,
        state: ModelState,
        downlink: Payload | None,
    ) -> LocalTraining[Payload]:
        """Learn from one's own labels; nothing is sent."""
        return LocalTraining(label_loss(state.model))
