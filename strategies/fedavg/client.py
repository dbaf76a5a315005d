"""FedAvg on a device: learn from where the group is."""

from typing import final

import torch
from torch import Tensor
from torch.nn import functional

from strategies.common.device import MessageDevice
from strategies.common.message import LocalTraining, ModelState
from strategies.common.whole_models import WholeModelClient
from strategies.fedavg.settings import FedAvgSettings
from strategies.fedavg.wire import WIRE, GroupMean, Model


@final
class FedAvgClient(WholeModelClient[FedAvgSettings, GroupMean, Model]):
    """Trains the group's mean on its own samples."""

    wire = WIRE

    def local_training(
        self, device: MessageDevice, state: ModelState, downlink: GroupMean | None
    ) -> LocalTraining[Model]:
        """Learn from labels, held to the mean by FedProx's term."""
        self.begin(state, downlink)
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
