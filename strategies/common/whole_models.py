"""Clients that take over a mean of models, and send what they made of it."""

from collections.abc import Mapping
from typing import Generic, TypeVar, cast

from torch import Tensor, nn

from strategies.common.architecture import Architecture
from strategies.common.classifiers import Classifier
from strategies.common.device import MessageDevice
from strategies.common.message import MessageClient, ModelState
from strategies.common.method import MethodSettings
from strategies.common.model import FeatureModel
from strategies.common.payload import rules_of
from strategies.common.payloads import WholeModel
from strategies.common.tested import Tested

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

    def shared_part(self, model: FeatureModel) -> nn.Module:
        """Return what travels of a model; by default all of it."""
        return model

    def begin(self, state: ModelState, downlink: Mean | None) -> None:
        """Take over what came down; moments of the optimiser are of weights that are gone."""
        if downlink is not None:
            downlink.into(self.shared_part(state.model))
        state.moments = {}

    def classifier(
        self, device: MessageDevice, state: ModelState, downlink: Mean | None
    ) -> Classifier:
        """Return what came down where that is tested, else the client's own model."""
        if downlink is not None and self.testing().is_later:
            downlink.into(self.shared_part(state.model))
        return state.model

    def sent_by(self, server: Mapping[str, Tensor], state: ModelState) -> Mean | None:
        """Return the mean that a server in some state has for a client, if it has one."""
        kind = cast(type[Mean], self.wire.down)
        key = Architecture.of(self.shared_part(state.model)).key
        if f"parameters/{key}" not in server:
            return None
        # What is not each group's own is all groups'.
        own = {name: server.get(f"{name}/{key}") for name in rules_of(kind)}
        return kind(**{n: server[n] if value is None else value for n, value in own.items()})
