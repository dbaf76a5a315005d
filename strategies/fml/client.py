"""FML on a device: two models learn from labels and from each other."""

from typing import ClassVar, final

from torch import Tensor
from torch.nn import functional

from strategies.common.agreed import Need
from strategies.common.device import MessageDevice
from strategies.common.distillation import divergence
from strategies.common.message import LocalTraining, MessageClient, ModelState
from strategies.fml.settings import FMLSettings
from strategies.fml.wire import WIRE, Meme


@final
class FMLClient(MessageClient[FMLSettings, ModelState, Meme, Meme]):
    """Keeps its own model, and shares the meme."""

    needs: ClassVar[frozenset[Need]] = frozenset({Need.MODELS})
    wire = WIRE

    def local_training(
        self, device: MessageDevice, state: ModelState, downlink: Meme | None
    ) -> LocalTraining[Meme]:
        """Minimise both losses (eq. 6 and 7) at once: no parameter is in both models."""
        settings, model = self.settings, state.model
        meme = self.provided.build_beside(to_be_loaded=downlink is not None)
        if downlink is not None:
            downlink.into(meme)
        meme.to(device.torch_device)
        entries = device.task.num_classes if settings.reduction == "entries" else 1

        def taught(student: Tensor, teacher: Tensor) -> Tensor:
            told = teacher.detach() if settings.detach else teacher
            return divergence(student, told) / entries

        def losses(inputs: Tensor, labels: Tensor) -> dict[str, Tensor]:
            own, shared = model(inputs), meme(inputs)
            found = {
                "cross_entropy": functional.cross_entropy(own, labels),
                "from_meme": taught(own, shared),
                "meme_cross_entropy": functional.cross_entropy(shared, labels),
                "from_model": taught(shared, own),
            }
            of_labels, meme_labels = settings.label_weight, settings.meme_label_weight
            weights = (of_labels, 1 - of_labels, meme_labels, 1 - meme_labels)
            parts = [weight * loss for weight, loss in zip(weights, found.values(), strict=True)]
            return {"total": parts[0] + parts[1] + parts[2] + parts[3], **found}

        groups = ((model,), (meme,))
        return LocalTraining(losses, lambda: Meme.of(meme), groups, settings.max_norm or None)
