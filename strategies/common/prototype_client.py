"""Clients that learn towards the federation's prototypes of their classes, and send their own."""

from typing import Generic, Literal, TypeVar, cast

from pydantic import Field
from torch import Tensor
from torch.nn import functional

from strategies.common.class_means import class_means
from strategies.common.class_table import ClassTable, prototype_loss
from strategies.common.classifiers import Classifier
from strategies.common.device import MessageDevice
from strategies.common.message import LocalTraining, MessageClient, ModelState
from strategies.common.method import Uplink
from strategies.common.nearest import nearest_prototype
from strategies.common.payload import rules_of
from strategies.common.payloads import FeatureRows
from strategies.common.settings import Settings
from strategies.common.tested import Tested


class PrototypeSettings(Settings):
    """How such a client learns, and what picks a class.

    Attributes
    ----------
    proto_weight : float
        Weight of the prototype loss, a mean over batch and features (lambda).
    inference : str
        ``"prototype"`` picks the nearest prototype, ``"head"`` the largest logit.
    test_classes : str
        Whose prototypes compete: of the client's ``"own"`` training classes, or of ``"all"``.
    """

    proto_weight: float = Field(ge=0)
    inference: Literal["prototype", "head"]
    test_classes: Literal["own", "all"]

    def testing(self, usual: Tested) -> Tested:
        """Test after aggregation, unless the head does, which needs none."""
        return Tested.TRAINED if self.inference == "head" else usual


OwnSettings = TypeVar("OwnSettings", bound=PrototypeSettings)
Prototypes = TypeVar("Prototypes", bound=FeatureRows)


class PrototypeClient(
    MessageClient[OwnSettings, ModelState, Prototypes, Uplink],
    Generic[OwnSettings, Prototypes, Uplink],
):
    """Regularises features towards global prototypes."""

    tested = Tested.WITH_AGGREGATED

    def local_training(
        self, device: MessageDevice, state: ModelState, downlink: Prototypes | None
    ) -> LocalTraining[Uplink]:
        """Learn from labels and prototypes, in the first round by labels alone."""
        model, table = state.model, ClassTable.of_features(device, downlink)

        def losses(inputs: Tensor, labels: Tensor) -> dict[str, Tensor]:
            features = model.features(inputs)
            cross_entropy = functional.cross_entropy(model.head(features), labels)
            prototype = prototype_loss(features, labels, table)
            total = cross_entropy + self.settings.proto_weight * prototype
            return {"total": total, "cross_entropy": cross_entropy, "prototype": prototype}

        return LocalTraining(losses, lambda: self.sent(device, state))

    def sent(self, device: MessageDevice, state: ModelState) -> Uplink:
        """Return the class means that the model has, and of them what travels."""
        means, kind = class_means(device, state.model)._asdict(), cast(type[Uplink], self.wire.up)
        return kind(**{name: means[name] for name in rules_of(kind)}).under(self.settings)

    def classifier(
        self, device: MessageDevice, state: ModelState, downlink: Prototypes | None
    ) -> Classifier:
        """Pick the nearest prototype, or the head's class."""
        if self.settings.inference == "head":
            return super().classifier(device, state, downlink)
        return nearest_prototype(device, state.model, downlink, self.settings.test_classes)
