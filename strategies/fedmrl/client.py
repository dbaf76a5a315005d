"""FedMRL on a device: features of two models become one vector, of which two heads learn."""

import copy
from typing import final

from torch import Tensor
from torch.nn import functional

from strategies.common.auxiliary import AuxiliaryClient
from strategies.common.classifiers import FusedClassifier
from strategies.common.device import MessageDevice
from strategies.common.errors import ModelError
from strategies.common.message import LocalTraining
from strategies.common.projection import ProjectedState, own_projection
from strategies.common.tested import Tested
from strategies.fedmrl.settings import FedMRLSettings
from strategies.fedmrl.wire import WIRE, SmallModel


@final
class FedMRLClient(AuxiliaryClient[FedMRLSettings, ProjectedState, SmallModel]):
    """Keeps its own model and its projection, and shares the small model."""

    wire, tested = WIRE, Tested.WITH_AGGREGATED

    def start(self, device: MessageDevice) -> ProjectedState:
        """Return a fresh model and projection (P); ``ModelError`` if its features are below d_1."""
        model, width = device.build_model(), self.settings.shared_dim
        own = model.feature_dim
        if own < width:
            told = f"expected at most the {own} features of this client's model, got {width}"
            raise ModelError(f"setting fedmrl.shared-dim: {told}; lower it, or set feature-dim")
        return ProjectedState(model, own_projection(device, width + own, own))

    def local_training(
        self, device: MessageDevice, state: ProjectedState, downlink: SmallModel | None
    ) -> LocalTraining[SmallModel]:
        """Minimise m^G l(h_G(z[:d_1]), y) + m^F l(h(z), y) with z = P([g(x); f(x)])."""
        settings, fused = self.settings, self.classifier(device, state, downlink)
        if settings.projection == "fresh":
            fused.projection = copy.deepcopy(fused.projection)

        def losses(inputs: Tensor, labels: Tensor) -> dict[str, Tensor]:
            features = fused.features(inputs)
            part = features[:, : settings.shared_dim]
            own = functional.cross_entropy(fused.model.head(features), labels)
            shared = functional.cross_entropy(fused.beside.head(part), labels)
            total = settings.shared_weight * shared + settings.own_weight * own
            return {"total": total, "cross_entropy": own, "shared_cross_entropy": shared}

        return LocalTraining(losses, lambda: SmallModel.of(fused.beside), ((fused,),))

    def classifier(
        self, device: MessageDevice, state: ProjectedState, downlink: SmallModel | None
    ) -> FusedClassifier:
        """Classify fused features by the client's head."""
        return FusedClassifier(state.model, self.auxiliary(device, downlink), state.projection)
