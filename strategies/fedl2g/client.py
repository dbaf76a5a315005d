"""FedL2G on a device: learn with guidance, and say how guidance should change."""

from functools import partial
from typing import final

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel

from strategies.common.device import MessageDevice
from strategies.common.held_out import held_out
from strategies.common.message import LocalTraining, MessageClient, ModelState
from strategies.common.model import FeatureModel
from strategies.common.round import Trained
from strategies.common.training import training_batch
from strategies.fedl2g.settings import FedL2GSettings
from strategies.fedl2g.wire import WIRE, Gradients, Guides


@final
class _Guided(nn.Module):
    """A model's losses: l(h(f(x)), y), and mean squares to the guiding vector of y."""

    def __init__(self, model: FeatureModel, settings: FedL2GSettings) -> None:
        super().__init__()
        self.model, self.settings = model, settings

    def forward(self, inputs: Tensor, labels: Tensor, guides: Tensor) -> dict[str, Tensor]:
        features = self.model.features(inputs)
        logits = self.model.head(features)
        guided = features if self.settings.guidance == "feature" else logits
        cross_entropy = functional.cross_entropy(logits, labels)
        guidance = functional.mse_loss(guided, guides[labels])
        total = cross_entropy + guidance
        return {"total": total, "cross_entropy": cross_entropy, "guidance": guidance}


@final
class FedL2GClient(MessageClient[FedL2GSettings, ModelState, Guides, Gradients]):
    """Studies, and is examined by its quiz set."""

    wire = WIRE

    def train(
        self, device: MessageDevice, state: ModelState, downlink: Guides | None
    ) -> Trained[Gradients]:
        """Learn with guidance once it is warmed up, then examine a guided step by the quiz set."""
        warm = device.round_number > self.settings.warm_up_rounds
        trained = super().train(device, state, downlink) if warm else Trained[Gradients](None, {})
        quiz, uplink = self.guidance(device, state.model, Guides.required(downlink).rows)
        return Trained(uplink, {**trained.losses, "quiz": quiz})

    def local_training(
        self, device: MessageDevice, state: ModelState, downlink: Guides | None
    ) -> LocalTraining[Gradients]:
        """Minimise l(h(f(x)), y) and the distance to the guiding vector of y, on the study set."""
        guides = Guides.required(downlink).rows.to(device.torch_device)
        losses = partial(_Guided(state.model, self.settings), guides=guides)
        study, _ = self.parts(device)
        return LocalTraining(losses, max_norm=self.settings.max_norm or None, rows=study)

    def guidance(
        self, device: MessageDevice, model: FeatureModel, guides: Tensor
    ) -> tuple[float, Gradients]:
        """Return the quiz's loss after a guided step, and its gradient by guides (class, width).

        The step is of the run's learning rate, and leaves the client's own model as it is.
        """
        study, quiz = self.parts(device)
        order = torch.randperm(len(study), generator=device.generator("study"))
        studied = study[order[: self.settings.study_batches * device.settings.batch_size]]
        guided = _Guided(model, self.settings).train()
        v = guides.to(device.torch_device, copy=True).requires_grad_()
        weights: dict[str, Tensor] = dict(guided.named_parameters())
        measured = {name: value.clone() for name, value in guided.named_buffers()}

        def losses(with_weights: dict[str, Tensor], rows: Tensor) -> dict[str, Tensor]:
            batch = (*training_batch(device, rows), v)
            found: dict[str, Tensor] = functional_call(guided, (with_weights, measured), batch)
            return found

        # Attention and recurrent networks that are fused have no second derivative.
        with sdpa_kernel(SDPBackend.MATH), torch.backends.cudnn.flags(enabled=False):
            loss = losses(weights, studied)["total"]
            step = torch.autograd.grad(loss, list(weights.values()), create_graph=True)
            rate = device.settings.learning_rate
            stepped = {n: w - rate * g for (n, w), g in zip(weights.items(), step, strict=True)}
            examined = losses(stepped, quiz)["cross_entropy"]
            (gradient,) = torch.autograd.grad(examined, v)
        labels = gradient.any(1).nonzero().flatten()
        return examined.item(), Gradients(gradient[labels].cpu(), labels.cpu())

    def parts(self, device: MessageDevice) -> tuple[Tensor, Tensor]:
        """Return the rows of the study set and of the quiz set; too few are a ``DataError``."""
        return held_out(device, self.settings.quiz_batches * device.settings.batch_size)
