"""FedMRL on a device: features of two models become one vector, of which two heads learn."""

import copy
from dataclasses import dataclass
from typing import ClassVar, final

from torch import Tensor, nn
from torch.nn import functional

from strategies.common import seeds
from strategies.common.agreed import Need
from strategies.common.auxiliary import auxiliary_model
from strategies.common.classifiers import Classifier, FusedClassifier
from strategies.common.device import MessageDevice
from strategies.common.errors import ModelError
from strategies.common.message import LocalTraining, MessageClient, ModelState
from strategies.common.tested import Tested
from strategies.fedmrl.settings import FedMRLSettings
from strategies.fedmrl.wire import WIRE, SmallModel


@final
@dataclass
class FedMRLState(ModelState):
    """What stays on a device.

    Attributes
    ----------
    projection : nn.Linear
        From the features of both models to as many as the client's own has (P).
    """

    projection: nn.Linear


@final
class FedMRLClient(MessageClient[FedMRLSettings, FedMRLState, SmallModel, SmallModel]):
    """Keeps its own model and its projection, and shares the small model."""

    needs: ClassVar[frozenset[Need]] = frozenset({Need.MODELS})
    wire, state, tested = WIRE, FedMRLState, Tested.WITH_AGGREGATED

    def start(self, device: MessageDevice) -> FedMRLState:
        """Return a fresh model and projection.

        Raises
        ------
        ModelError
            If the client's features are fewer than the small model's.
        """
        model, width = device.build_model(), self.settings.shared_dim
        if model.feature_dim < width:
            raise ModelError(
                f"setting fedmrl.shared-dim: expected at most the {model.feature_dim} features of "
                f"this client's model, got {width}; lower it, or set feature-dim"
            )
        drawn = seeds.derive(device.settings.seed, "projection", partition=device.partition)
        with seeds.seeded(drawn):
            projection = nn.Linear(width + model.feature_dim, model.feature_dim)
        return FedMRLState(model, projection.to(device.torch_device))

    def local_training(
        self, device: MessageDevice, state: FedMRLState, downlink: SmallModel | None
    ) -> LocalTraining[SmallModel]:
        """Minimise m^G l(h_G(z[:d_1]), y) + m^F l(h(z), y) with z = P([g(x); f(x)])."""
        settings, small = self.settings, auxiliary_model(self.provided, device, downlink)
        fresh = settings.projection == "fresh"
        projection = copy.deepcopy(state.projection) if fresh else state.projection
        fused = FusedClassifier(state.model, small, projection)

        def losses(inputs: Tensor, labels: Tensor) -> dict[str, Tensor]:
            features = fused.features(inputs)
            own = functional.cross_entropy(state.model.head(features), labels)
            part = small.head(features[:, : settings.shared_dim])
            shared = functional.cross_entropy(part, labels)
            total = settings.shared_weight * shared + settings.own_weight * own
            return {"total": total, "cross_entropy": own, "shared_cross_entropy": shared}

        groups = ((state.model,), (small,), (projection,))
        return LocalTraining(losses, lambda: SmallModel.of(small), groups)

    def classifier(
        self, device: MessageDevice, state: FedMRLState, downlink: SmallModel | None
    ) -> Classifier:
        """Classify fused features by the client's head."""
        small = auxiliary_model(self.provided, device, downlink)
        return FusedClassifier(state.model, small, state.projection)
