"""FD on a device: learn from one's labels and the others' soft labels."""

from typing import final

from torch import Tensor
from torch.nn import functional

from strategies.common.class_means import ClassSums
from strategies.common.class_table import ClassTable
from strategies.common.device import MessageDevice
from strategies.common.message import LocalTraining, MessageClient, ModelState
from strategies.fd.settings import FDSettings
from strategies.fd.wire import WIRE, SoftLabels, Teacher


@final
class FDClient(MessageClient[FDSettings, ModelState, Teacher, SoftLabels]):
    """Distils the other devices' average outputs."""

    wire = WIRE

    def local_training(
        self, device: MessageDevice, state: ModelState, downlink: Teacher | None
    ) -> LocalTraining[SoftLabels]:
        """Learn from labels and teacher, and average the softmax outputs met on the way.

        Samples whose label has no teacher add nothing to its loss and count in the average.
        """
        model, teacher = state.model, ClassTable.of_classes(device, downlink).rows
        seen = ClassSums(len(teacher), len(teacher), device.torch_device)

        def losses(inputs: Tensor, labels: Tensor) -> dict[str, Tensor]:
            logits: Tensor = model(inputs)
            seen.add(logits.detach().double().softmax(1), labels)
            cross_entropy = functional.cross_entropy(logits, labels)
            distillation = functional.cross_entropy(logits, teacher[labels])
            total = cross_entropy + self.settings.distillation_weight * distillation
            return {"total": total, "cross_entropy": cross_entropy, "distillation": distillation}

        return LocalTraining(losses, lambda: SoftLabels(*seen.means()[:2]))
