"""The device half of FedProto: learn towards the global prototypes, send one's own."""

from dataclasses import dataclass
from typing import ClassVar, final

from torch import Tensor
from torch.nn import functional

from strategies.common.class_means import ClassMeans, ClassSums
from strategies.common.class_table import (
    PrototypeTable,
    distance_scores,
    prototype_loss,
)
from strategies.common.device import Device
from strategies.common.method import ClientHalf, Evaluation, Trained
from strategies.common.model import FeatureModel
from strategies.common.training import evaluate_scores, score_batches, train_epochs
from strategies.common.wire import Payload
from strategies.fedproto.settings import FedProtoSettings
from strategies.fedproto.wire import GlobalPrototypes, Prototypes


@final
@dataclass
class FedProtoState:
    """What stays on the device.

    Attributes
    ----------
    model : FeatureModel
        The client's own model.
    prototypes : Tensor | None
        (present, feature) own class means after the last training; ``None`` before any.
    labels : Tensor | None
        (present,) int64 class of each row.
    """

    model: FeatureModel
    prototypes: Tensor | None
    labels: Tensor | None


@final
class FedProtoClient(ClientHalf[FedProtoState, GlobalPrototypes, Prototypes]):
    """Regularises features towards global prototypes.

    Parameters
    ----------
    settings : FedProtoSettings
        Weight of the regulariser, and how to classify.
    """

    downlink: ClassVar[type[Payload] | None] = GlobalPrototypes

    def __init__(self, settings: FedProtoSettings) -> None:
        self._settings = settings

    def start(self, device: Device) -> FedProtoState:
        """Return a fresh model without prototypes."""
        return FedProtoState(device.build_model(), None, None)

    def train(
        self, device: Device, state: FedProtoState, downlink: GlobalPrototypes | None
    ) -> Trained[Prototypes]:
        """Run the local epochs, then take the class means of the trained model.

        Without global prototypes (the first round) the loss is cross-entropy alone.
        """
        model = state.model
        table = _received(device, model, downlink)

        def losses(inputs: Tensor, labels: Tensor) -> dict[str, Tensor]:
            features = model.features(inputs)
            cross_entropy = functional.cross_entropy(model.head(features), labels)
            prototype = prototype_loss(features, labels, table)
            total = cross_entropy + self._settings.proto_weight * prototype
            return {"total": total, "cross_entropy": cross_entropy, "prototype": prototype}

        means = train_epochs(device, [[model]], losses)
        own = _own_means(device, model)
        state.prototypes, state.labels = own.means, own.labels
        return Trained(Prototypes(own.means, own.labels, own.weights.long()), means)

    def evaluate(
        self, device: Device, state: FedProtoState, downlink: GlobalPrototypes | None
    ) -> Evaluation:
        """Classify the test samples by the nearest prototype, or by the head if so set.

        Candidates are the global prototypes that came down this round, and the client's own
        class mean where a class has no global one. The loss is the cross-entropy of
        ``distance_scores``: not comparable with that of a head.
        """
        model = state.model
        if self._settings.inference == "head":
            return evaluate_scores(device, model, model)
        table = _received(device, model, None)
        if state.prototypes is None or state.labels is None:
            own = _own_means(device, model)
            table = table.overlaid(own.means, own.labels)
        else:
            table = table.overlaid(state.prototypes, state.labels)
        if downlink is not None:
            table = table.overlaid(downlink.prototypes, downlink.labels)
        return evaluate_scores(
            device, model, lambda inputs: distance_scores(model.features(inputs), table)
        )


def _received(
    device: Device, model: FeatureModel, downlink: GlobalPrototypes | None
) -> PrototypeTable:
    empty = PrototypeTable.empty(device.task.num_classes, model.feature_dim, device.torch_device)
    return empty if downlink is None else empty.overlaid(downlink.prototypes, downlink.labels)


def _own_means(device: Device, model: FeatureModel) -> ClassMeans:
    """Average the features of all training samples by class, in evaluation mode (eq. 3)."""
    sums = ClassSums(device.task.num_classes, model.feature_dim, device.torch_device)
    for features, labels in score_batches(device, device.train, model, model.features):
        sums.add(features, labels)
    return sums.means()
