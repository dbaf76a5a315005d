"""DS-FL on a device: learn from what all said, then from one's labels, then speak."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import ClassVar, final

import torch
from torch import Tensor, nn
from torch.nn import functional

from strategies.common.agreed import Need
from strategies.common.device import MessageDevice
from strategies.common.message import LocalTraining, MessageClient, ModelState, label_loss
from strategies.common.open_data import drawn
from strategies.common.round import Trained
from strategies.common.samples import ordered_batches, prepare, shuffled_batches
from strategies.common.training import EVALUATION_BATCH, fit
from strategies.common.update_rule import SGD, Group
from strategies.dsfl.settings import DSFLSettings
from strategies.dsfl.wire import WIRE, Consensus, Predictions


@final
class DSFLClient(MessageClient[DSFLSettings, ModelState, Consensus, Predictions]):
    """Distils the consensus on open data."""

    needs: ClassVar[frozenset[Need]] = frozenset({Need.OPEN_DATA})
    wire = WIRE

    def train(
        self, device: MessageDevice, state: ModelState, downlink: Consensus | None
    ) -> Trained[Predictions]:
        """Distil what the round before came to, run the local epochs, and predict."""
        told = {} if downlink is None else self._distil(device, state.model, downlink)
        trained = super().train(device, state, downlink)
        return replace(trained, losses={**trained.losses, **told})

    def local_training(
        self, device: MessageDevice, state: ModelState, downlink: Consensus | None
    ) -> LocalTraining[Predictions]:
        """Learn from labels alone; what is sent are softmax outputs in evaluation mode."""
        return LocalTraining(
            label_loss(state.model),
            lambda: Predictions(
                torch.cat(list(self._outputs(device, state.model, device.round_number)))
            ),
        )

    def _distil(
        self, device: MessageDevice, model: nn.Module, consensus: Consensus
    ) -> Mapping[str, float]:
        """Learn the consensus by cross-entropy, and return the mean loss."""
        settings = self.settings
        inputs = self._asked(device, int(consensus.round))
        order = device.generator("distillation")
        rule = SGD([Group(list(model.parameters()))], 0.0)
        model.train()

        def lesson(rows: Tensor) -> dict[str, float]:
            logits = model(prepare(inputs[rows].to(device.torch_device)))
            loss = functional.cross_entropy(logits, consensus.rows[rows].to(logits))
            rule.forget_gradients()
            loss.backward()  # type: ignore[no-untyped-call]
            rule.step(settings.distill_learning_rate)
            return {"distillation": loss.item()}

        batches = (
            rows
            for _ in range(settings.distill_epochs)
            for rows in shuffled_batches(len(inputs), settings.distill_batch_size, order)
        )
        rate = settings.distill_learning_rate
        return fit(batches, lesson, "dsfl.distill-learning-rate", rate)

    @torch.no_grad()
    def _outputs(
        self, device: MessageDevice, model: nn.Module, round_number: int
    ) -> Iterator[Tensor]:
        inputs = self._asked(device, round_number)
        model.eval()
        for part in ordered_batches(len(inputs), EVALUATION_BATCH):
            yield model(prepare(inputs[part].to(device.torch_device))).softmax(1)

    def _asked(self, device: MessageDevice, round_number: int) -> Tensor:
        """Return the open samples that a round asks about."""
        opened, count = device.open_data, self.settings.samples_per_round
        return opened.inputs[drawn(opened.told, count, device.settings.seed, round_number)]
