"""The device half of FD: learn from one's labels and the others' soft labels."""

from dataclasses import dataclass
from typing import ClassVar, final

import torch
from torch import Tensor
from torch.nn import functional

from strategies.common.class_means import ClassSums
from strategies.common.device import Device
from strategies.common.method import ClientHalf, Evaluation, Trained
from strategies.common.model import FeatureModel
from strategies.common.training import evaluate_scores, train_epochs
from strategies.common.wire import Payload
from strategies.fd.settings import FDSettings
from strategies.fd.soft_labels import distillation_loss, soft_labels
from strategies.fd.wire import SoftLabels, Teacher


@final
@dataclass
class FDState:
    """What stays on the device; soft labels are gathered anew in every round.

    Attributes
    ----------
    model : FeatureModel
        The client's own model.
    """

    model: FeatureModel


@final
class FDClient(ClientHalf[FDState, Teacher, SoftLabels]):
    """Distils the other devices' average outputs.

    Parameters
    ----------
    settings : FDSettings
        Weight of the distillation.
    """

    downlink: ClassVar[type[Payload] | None] = Teacher

    def __init__(self, settings: FDSettings) -> None:
        self._settings = settings

    def start(self, device: Device) -> FDState:
        """Return a fresh model."""
        return FDState(device.build_model())

    def train(
        self, device: Device, state: FDState, downlink: Teacher | None
    ) -> Trained[SoftLabels]:
        """Run the local epochs and average the softmax outputs met on the way.

        The outputs are those of the forward pass that each step learns from, so that they
        cost nothing. Without a teacher (the first round) the loss is cross-entropy alone.
        """
        model = state.model
        teacher = _table(device, downlink)
        num_classes = device.task.num_classes
        seen = ClassSums(num_classes, num_classes, device.torch_device)

        def losses(inputs: Tensor, labels: Tensor) -> dict[str, Tensor]:
            logits: Tensor = model(inputs)
            seen.add(soft_labels(logits), labels)
            cross_entropy = functional.cross_entropy(logits, labels)
            distillation = distillation_loss(logits, labels, teacher)
            total = cross_entropy + self._settings.distillation_weight * distillation
            return {"total": total, "cross_entropy": cross_entropy, "distillation": distillation}

        means = train_epochs(device, [[model]], losses)
        own = seen.means()
        return Trained(SoftLabels(own.means, own.labels), means)

    def evaluate(self, device: Device, state: FDState, downlink: Teacher | None) -> Evaluation:  # noqa: ARG002
        """Classify the test samples by the model's own head."""
        return evaluate_scores(device, state.model, state.model)


def _table(device: Device, downlink: Teacher | None) -> Tensor:
    """Return the teacher as (class, class), with zeros where it has no row."""
    num_classes = device.task.num_classes
    table = torch.zeros(num_classes, num_classes, device=device.torch_device)
    if downlink is not None:
        table[downlink.labels.to(table.device)] = downlink.probabilities.to(table.device)
    return table
