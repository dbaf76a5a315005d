"""Clients that take over the mean of all models of their architecture, and send theirs whole."""

from typing import Generic, TypeVar

from strategies.common.classifiers import Classifier
from strategies.common.device import MessageDevice
from strategies.common.message import MessageClient, ModelState
from strategies.common.method import MethodSettings
from strategies.common.payloads import WholeModel
from strategies.common.round import Tested

Mean = TypeVar("Mean", bound=WholeModel)
Sent = TypeVar("Sent", bound=WholeModel)


class WholeModelClient(
    MessageClient[MethodSettings, ModelState, Mean, Sent], Generic[MethodSettings, Mean, Sent]
):
    """A client of a federation that averages models; it is tested with what came of them."""

    tested = Tested.WITH_AGGREGATED

    def start(self, device: MessageDevice) -> ModelState:
        """Return the model that all of its architecture start from."""
        return ModelState(device.build_model(alike=True))

    def begin(self, state: ModelState, downlink: Mean | None) -> None:
        """Take over what came down; moments of the optimiser are of weights that are gone."""
        if downlink is not None:
            downlink.into(state.model)
        state.moments = {}

    def classifier(
        self, device: MessageDevice, state: ModelState, downlink: Mean | None
    ) -> Classifier:
        """Return what came down where that is tested, else the client's own model."""
        if downlink is not None and self.testing().is_later:
            downlink.into(state.model)
        return state.model
