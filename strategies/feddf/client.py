"""FedDF on a device: FedAvg's client, which learns from where its group's student is."""

from typing import final

from strategies.common.device import MessageDevice
from strategies.common.message import LocalTraining, ModelState, label_loss
from strategies.common.whole_models import WholeModelClient
from strategies.feddf.settings import FedDFSettings
from strategies.feddf.wire import WIRE, Model, Student


@final
class FedDFClient(WholeModelClient[FedDFSettings, Student, Model]):
    """Trains the student on its own samples; of open data it knows nothing."""

    wire = WIRE

    def local_training(
        self, device: MessageDevice, state: ModelState, downlink: Student | None
    ) -> LocalTraining[Model]:
        """Learn from labels."""
        self.begin(state, downlink)
        return LocalTraining(label_loss(state.model), lambda: Model.of(state.model))
