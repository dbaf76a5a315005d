"""FedL2G on a device: learn with guidance, and say how guidance should change."""

import hashlib
from typing import Final, final

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel

from strategies.common.device import MessageDevice
from strategies.common.errors import DataError, WireError
from strategies.common.message import LocalTraining, MessageClient, ModelState
from strategies.common.model import FeatureModel
from strategies.common.round import Trained
from strategies.common.samples import prepare
from strategies.fedl2g.settings import FedL2GSettings
from strategies.fedl2g.wire import WIRE, Gradients, Guides

# Batch normalisation needs two samples, to study and in the quiz.
_FEWEST: Final = 4


@final
class _Both(nn.Module):
    """Features and logits of a model."""

    def __init__(self, model: FeatureModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        features = self.model.features(inputs)
        return features, self.model.head(features)


@final
class FedL2GClient(MessageClient[FedL2GSettings, ModelState, Guides, Gradients]):
    """Studies, and is examined by its quiz set."""

    wire = WIRE

    def train(
        self, device: MessageDevice, state: ModelState, downlink: Guides | None
    ) -> Trained[Gradients]:
        """Learn with guidance once it is warmed up, then examine a guided step by the quiz set."""
        guides = _guides(device, downlink)
        warm = device.round_number > self.settings.warm_up_rounds
        trained = super().train(device, state, downlink) if warm else Trained[Gradients](None, {})
        quiz, uplink = self.guidance(device, state.model, guides)
        return Trained(uplink, {**trained.losses, "quiz": quiz})

    def local_training(
        self, device: MessageDevice, state: ModelState, downlink: Guides | None
    ) -> LocalTraining[Gradients]:
        """Minimise l(h(f(x)), y) and the distance to the guiding vector of y, on the study set."""
        both, guides = _Both(state.model), _guides(device, downlink)

        def losses(inputs: Tensor, labels: Tensor) -> dict[str, Tensor]:
            cross_entropy, guidance = self._losses(both(inputs), labels, guides)
            total = cross_entropy + guidance
            return {"total": total, "cross_entropy": cross_entropy, "guidance": guidance}

        study, _ = self.parts(device)
        return LocalTraining(losses, max_norm=self.settings.max_norm or None, rows=study)

    def guidance(
        self, device: MessageDevice, model: FeatureModel, guides: Tensor
    ) -> tuple[float, Gradients]:
        """Return the quiz's loss after a guided step, and its gradient by the guiding vectors.

        Parameters
        ----------
        device, model : MessageDevice, FeatureModel
            Who takes the step, of its learning rate, which leaves the model as it is.
        guides : Tensor
            (class, width), v of each class.
        """
        study, quiz = self.parts(device)
        order = torch.randperm(len(study), generator=device.generator("study"))
        studied = study[order[: self.settings.study_batches * device.settings.batch_size]]
        both, v = _Both(model).train(), guides.clone().requires_grad_()
        weights: dict[str, Tensor] = dict(both.named_parameters())
        measured = {name: value.clone() for name, value in both.named_buffers()}

        def found(with_weights: dict[str, Tensor], rows: Tensor) -> tuple[Tensor, Tensor]:
            inputs = prepare(device.train.inputs[rows].to(device.torch_device))
            outputs = functional_call(both, (with_weights, measured), (inputs,))
            return self._losses(outputs, device.train.labels[rows].to(device.torch_device), v)

        # Attention and recurrent networks that are fused have no second derivative.
        with sdpa_kernel(SDPBackend.MATH), torch.backends.cudnn.flags(enabled=False):
            loss = torch.stack(found(weights, studied)).sum()
            step = torch.autograd.grad(loss, list(weights.values()), create_graph=True)
            rate = device.settings.learning_rate
            stepped = {n: w - rate * g for (n, w), g in zip(weights.items(), step, strict=True)}
            examined, _ = found(stepped, quiz)
            (gradient,) = torch.autograd.grad(examined, v)
        labels = gradient.abs().sum(1).nonzero().flatten()
        return examined.item(), Gradients(gradient[labels].cpu(), labels.cpu())

    def parts(self, device: MessageDevice) -> tuple[Tensor, Tensor]:
        """Return the rows of the study set and of the quiz set, at most half of all.

        Raises
        ------
        DataError
            If there are too few.
        """
        count = len(device.train)
        if count < _FEWEST:
            raise DataError(
                f"fedl2g: expected at least {_FEWEST} training samples, half of them for the "
                f"quiz, got {count}; set min-train-samples={_FEWEST}"
            )
        held = min(self.settings.quiz_batches * device.settings.batch_size, count // 2)
        # By what a sample is: one that is added later moves none that has been studied into it.
        seed = f"{device.settings.seed}:{device.partition}".encode()[: hashlib.blake2b.SALT_SIZE]
        every = device.train.inputs.flatten(1).numpy()
        digests = [hashlib.blake2b(row.tobytes(), salt=seed).digest() for row in every]
        rows = torch.tensor(sorted(range(count), key=lambda row: (digests[row], row)))
        # In the order of the samples, which settings may ask to keep.
        return rows[held:].sort().values, rows[:held].sort().values

    def _losses(
        self, outputs: tuple[Tensor, Tensor], labels: Tensor, guides: Tensor
    ) -> tuple[Tensor, Tensor]:
        features, logits = outputs
        guided = features if self.settings.guidance == "feature" else logits
        cross_entropy = functional.cross_entropy(logits, labels)
        return cross_entropy, functional.mse_loss(guided, guides[labels])


def _guides(device: MessageDevice, downlink: Guides | None) -> Tensor:
    if downlink is None:
        raise WireError(f"server: expected {Guides.schema} in every round, got none")
    return downlink.rows.to(device.torch_device)
