"""FedMD on a device: transfer once, then digest, revisit and speak."""

from typing import final

from torch.nn import functional

from strategies.common.device import MessageDevice
from strategies.common.open_lesson import Lesson
from strategies.common.open_students import OpenDataClient, StudentState
from strategies.common.round import Trained
from strategies.fedmd.settings import FedMDSettings
from strategies.fedmd.wire import WIRE, Consensus, Logits


@final
class FedMDClient(OpenDataClient[FedMDSettings, Consensus, Logits]):
    """Digests the consensus on public samples."""

    wire = WIRE

    def train(
        self, device: MessageDevice, state: StudentState, downlink: Consensus | None
    ) -> Trained[Logits]:
        """Learn from the public labels before the first turn; then as any student."""
        epochs = self.settings.pretrain_epochs
        if not epochs or state.turns:
            return super().train(device, state, downlink)
        public = device.open_data.inputs
        labels = device.open_labels("fedmd.pretrain-epochs=0")
        transfer = Lesson("transfer", "fedmd", public, labels, functional.cross_entropy)
        told = self.learn_open(device, state, transfer, epochs)
        return super().train(device, state, downlink).beside(told)
