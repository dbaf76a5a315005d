"""FedGen on a device: learn from one's samples, and from features that all heads agree on."""

from itertools import count
from typing import final

import torch
from torch import Tensor, nn
from torch.nn import functional

from strategies.common.device import MessageDevice
from strategies.common.distillation import distillation_loss
from strategies.common.message import LocalTraining, ModelState, label_loss
from strategies.common.model import FeatureModel
from strategies.common.whole_models import WholeModelClient
from strategies.fedgen.settings import FedGenSettings
from strategies.fedgen.wire import WIRE, Lesson, Model

# Of the authors' code (``userpFedGen``, ``main``): weights of a round, and steps that are taught.
_WEIGHT, _DECAY, _LEAST_WEIGHT, _TAUGHT_STEPS = 10.0, 0.98, 1e-4, 20


def weight_in(round_number: int) -> float:
    """Return how much generated features weigh beside real ones in the code, from round 1 on."""
    return max(_LEAST_WEIGHT, _WEIGHT * _DECAY ** (round_number - 1))


@final
class FedGenClient(WholeModelClient[FedGenSettings, Lesson, Model]):
    """Trains the mean on its own samples and on generated features."""

    wire = WIRE

    def shared_part(self, model: FeatureModel) -> nn.Module:
        """Return the whole model, or its head."""
        return model if self.settings.sharing == "full" else model.head

    def local_training(
        self, device: MessageDevice, state: ModelState, downlink: Lesson | None
    ) -> LocalTraining[Model]:
        """Minimise the losses of real samples and of generated features, L_k + E[l(g(z), y)]."""
        self.begin(state, downlink)
        model = state.model

        def uplink() -> Model:
            held, counts = torch.unique(device.train.labels, return_counts=True)
            return Model.of(self.shared_part(model), labels=held, counts=counts)

        if downlink is None:
            return LocalTraining(label_loss(model), uplink)
        generator = downlink.built_generator(self.agreed).to(device.torch_device)
        generator.eval().requires_grad_(False)
        official, order = self.settings.mode == "official", device.generator("generated features")
        weight = weight_in(device.round_number) if official else 1.0
        steps = count()

        def losses(inputs: Tensor, labels: Tensor) -> dict[str, Tensor]:
            logits, taught = model(inputs), dict[str, Tensor]()
            cross_entropy = functional.cross_entropy(logits, labels)
            if not official or next(steps) < _TAUGHT_STEPS:
                chosen = torch.multinomial(downlink.prior, len(labels), True, generator=order)
                chosen = chosen.to(labels)
                _, features = generator.drawn(chosen, self.settings, order)
                taught["generated"] = functional.cross_entropy(model.head(features), chosen)
                if official:
                    _, features = generator.drawn(labels, self.settings, order)
                    taught["latent"] = distillation_loss(logits, model.head(features), 1.0)
            total = cross_entropy + weight * sum(taught.values())
            return {"total": total, "cross_entropy": cross_entropy, **taught}

        return LocalTraining(losses, uplink)
