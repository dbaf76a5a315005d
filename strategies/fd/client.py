"""FD on a device: learn from one's labels and the others' soft labels."""

from itertools import count
from typing import final

from torch import Tensor

from strategies.common.class_means import ClassSums
from strategies.common.class_table import ClassTable
from strategies.common.device import MessageDevice
from strategies.common.message import LocalTraining, MessageClient, ModelState
from strategies.common.soft_targets import SoftTargetLoss
from strategies.fd.settings import FDSettings
from strategies.fd.wire import WIRE, SoftLabels, Teacher


@final
class FDClient(MessageClient[FDSettings, ModelState, Teacher, SoftLabels]):
    """Distils the other devices' average outputs."""

    wire = WIRE

    def local_training(
        self, device: MessageDevice, state: ModelState, downlink: Teacher | None
    ) -> LocalTraining[SoftLabels]:
        """Learn from labels and, for those that have one, teachers; average outputs met there."""
        model, teacher = state.model, ClassTable.of_classes(device, downlink).rows
        seen = ClassSums(len(teacher), len(teacher), device.torch_device)
        loss, steps = SoftTargetLoss(self.settings, device), count(1)
        linear = self.settings.time_weighting == "linear"

        def losses(inputs: Tensor, labels: Tensor) -> dict[str, Tensor]:
            logits: Tensor = model(inputs)
            weight = float(next(steps)) if linear else 1.0
            seen.add(logits.detach().double().softmax(1), labels, weight)
            return loss(logits, labels, teacher[labels])

        return LocalTraining(losses, lambda: SoftLabels(*seen.means()[:2]))
