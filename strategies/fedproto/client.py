"""FedProto on a device: learn towards the global prototypes, send one's own."""

from typing import final

from torch import Tensor
from torch.nn import functional

from strategies.common.class_means import class_means
from strategies.common.class_table import ClassTable, prototype_loss
from strategies.common.classifiers import Classifier
from strategies.common.device import MessageDevice
from strategies.common.message import LocalTraining, MessageClient, ModelState
from strategies.common.nearest import nearest_prototype
from strategies.common.round import Tested
from strategies.fedproto.settings import FedProtoSettings
from strategies.fedproto.wire import WIRE, GlobalPrototypes, Prototypes


@final
class FedProtoClient(MessageClient[FedProtoSettings, ModelState, GlobalPrototypes, Prototypes]):
    """Regularises features towards global prototypes."""

    wire = WIRE

    def testing(self) -> Tested:
        """Test after aggregation, unless the head does, which needs none."""
        return Tested.TRAINED if self.settings.inference == "head" else Tested.WITH_AGGREGATED

    def local_training(
        self, device: MessageDevice, state: ModelState, downlink: GlobalPrototypes | None
    ) -> LocalTraining[Prototypes]:
        """Learn by eq. 7, in the first round by labels alone; then take class means (eq. 3)."""
        model, table = state.model, ClassTable.of_features(device, downlink)

        def losses(inputs: Tensor, labels: Tensor) -> dict[str, Tensor]:
            features = model.features(inputs)
            cross_entropy = functional.cross_entropy(model.head(features), labels)
            prototype = prototype_loss(features, labels, table)
            total = cross_entropy + self.settings.proto_weight * prototype
            return {"total": total, "cross_entropy": cross_entropy, "prototype": prototype}

        return LocalTraining(
            losses, lambda: Prototypes(*class_means(device, model)).under(self.settings)
        )

    def classifier(
        self, device: MessageDevice, state: ModelState, downlink: GlobalPrototypes | None
    ) -> Classifier:
        """Pick the nearest prototype (eq. 4), or the head's class."""
        if self.settings.inference == "head":
            return super().classifier(device, state, downlink)
        return nearest_prototype(device, state.model, downlink, self.settings.test_classes)
