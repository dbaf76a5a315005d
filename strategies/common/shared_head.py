"""Clients whose last layer is the federation's: it comes down, and is learnt from with the rest."""

from abc import abstractmethod
from typing import Generic, TypeVar

from strategies.common.classifiers import Classifier
from strategies.common.device import MessageDevice
from strategies.common.message import LocalTraining, MessageClient, ModelState, label_loss
from strategies.common.method import MethodSettings, Uplink
from strategies.common.payloads import HeadWeights
from strategies.common.tested import Tested

Head = TypeVar("Head", bound=HeadWeights)


class SharedHeadClient(
    MessageClient[MethodSettings, ModelState, Head, Uplink], Generic[MethodSettings, Head, Uplink]
):
    """A client with a feature extractor of its own, tested with the head that all share."""

    tested = Tested.WITH_AGGREGATED

    def local_training(
        self, device: MessageDevice, state: ModelState, downlink: Head | None
    ) -> LocalTraining[Uplink]:
        """Learn from labels, from the shared head on; its old moments are of weights now gone."""
        if downlink is not None:
            downlink.into(state.model.head)
            state.forget_moments("model/head.")
        return LocalTraining(label_loss(state.model), lambda: self.sent(device, state))

    @abstractmethod
    def sent(self, device: MessageDevice, state: ModelState) -> Uplink:
        """Return what goes up after the local epochs."""

    def classifier(
        self, device: MessageDevice, state: ModelState, downlink: Head | None
    ) -> Classifier:
        """Return the client's model with the head that came down, where that is tested."""
        if downlink is not None and self.testing().is_later:
            downlink.into(state.model.head)
        return state.model
