"""FML on a device: two models learn from labels and from each other."""

from typing import final

from torch import Tensor

from strategies.common.auxiliary import AuxiliaryClient
from strategies.common.device import MessageDevice
from strategies.common.message import LocalTraining, ModelState
from strategies.common.mutual import mutual_losses
from strategies.fml.settings import FMLSettings
from strategies.fml.wire import WIRE, Meme


@final
class FMLClient(AuxiliaryClient[FMLSettings, ModelState, Meme]):
    """Keeps its own model, and shares the meme."""

    wire = WIRE

    def local_training(
        self, device: MessageDevice, state: ModelState, downlink: Meme | None
    ) -> LocalTraining[Meme]:
        """Minimise both losses (eq. 6 and 7) at once: no parameter is in both models."""
        settings, model, meme = self.settings, state.model, self.auxiliary(device, downlink)
        alpha, beta = settings.label_weight, settings.meme_label_weight
        weights = (alpha, 1 - alpha, beta, 1 - beta)

        def losses(inputs: Tensor, labels: Tensor) -> dict[str, Tensor]:
            found = mutual_losses(settings, model(inputs), meme(inputs), labels)
            parts = [weight * loss for weight, loss in zip(weights, found.values(), strict=True)]
            return {"total": parts[0] + parts[1] + parts[2] + parts[3], **found}

        groups = ((model,), (meme,))
        return LocalTraining(losses, lambda: Meme.of(meme), groups, settings.max_norm or None)
