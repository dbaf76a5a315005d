"""FedAvg on a device: learn from where the group is."""

from typing import final

import torch
from torch import Tensor
from torch.nn import functional

from strategies.common.classifiers import Classifier
from strategies.common.device import MessageDevice
from strategies.common.message import LocalTraining, MessageClient, ModelState
from strategies.common.round import Tested
from strategies.fedavg.settings import FedAvgSettings
from strategies.fedavg.wire import WIRE, Model


@final
class FedAvgClient(MessageClient[FedAvgSettings, ModelState, Model, Model]):
    """Trains the group's mean on its own samples."""

    wire = WIRE

    def testing(self) -> Tested:
        """Test the mean, unless what was made of it is asked for."""
        return Tested.TRAINED if self.settings.test == "trained" else Tested.WITH_AGGREGATED

    def start(self, device: MessageDevice) -> ModelState:
        """Return the model that all of its architecture start from."""
        return ModelState(device.build_model(alike=True))

    def local_training(
        self, device: MessageDevice, state: ModelState, downlink: Model | None
    ) -> LocalTraining[Model]:
        """Take over the mean and learn from labels, held to it by FedProx's term."""
        if downlink is not None:
            downlink.into(state.model)
        # They are of weights that are gone.
        state.moments = {}
        model, weight = state.model, self.settings.proximal_weight
        began = [parameter.detach().clone() for parameter in model.parameters()] if weight else []

        def losses(inputs: Tensor, labels: Tensor) -> dict[str, Tensor]:
            cross_entropy = functional.cross_entropy(model(inputs), labels)
            if not weight:
                return {"total": cross_entropy}
            moved = zip(model.parameters(), began, strict=True)
            proximal = torch.stack([(now - then).square().sum() for now, then in moved]).sum() / 2
            total = cross_entropy + weight * proximal
            return {"total": total, "cross_entropy": cross_entropy, "proximal": proximal}

        return LocalTraining(losses, lambda: Model.of(model))

    def classifier(
        self, device: MessageDevice, state: ModelState, downlink: Model | None
    ) -> Classifier:
        """Return the group's mean where that is tested, else the client's own model."""
        if downlink is not None and self.testing().is_later:
            downlink.into(state.model)
        return state.model
