"""The device half of FedLoRA: train low-rank factors and a private head."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import final

from torch import Tensor

from strategies.common.adapters.backbone import Backbone
from strategies.common.adapters.halves import AdapterClientHalf, HeadState, Logits
from strategies.common.adapters.learning import Tuning, answer_lesson
from strategies.common.adapters.reading import Batch
from strategies.common.device import AdapterDevice
from strategies.common.errors import ModelError
from strategies.common.task import Foundation, Place, Task
from strategies.fedlora.lora import AttachedLora, attached, lora_shape
from strategies.fedlora.lora_aggregation import added, truncated
from strategies.fedlora.lora_factors import LoraFactors
from strategies.fedlora.peft_format import ExportedLora
from strategies.fedlora.settings import FedLoRASettings
from strategies.fedlora.wire import WIRE, GlobalUpdate, TrainedFactors, shape_of


@final
@dataclass
class FedLoRAState(HeadState):
    """What stays on the device; both are for taking away alone, every round begins anew.

    Attributes
    ----------
    trained : Tensor | None
        (rank, width) factors after this client's last training.
    beneath : Tensor | None
        (rank, width) the frozen update that they were trained beside, if any.
    """

    trained: Tensor | None = None
    beneath: Tensor | None = None


@final
class FedLoRAClient(AdapterClientHalf[FedLoRASettings, FedLoRAState, GlobalUpdate, TrainedFactors]):
    """Trains low-rank updates of a frozen foundation model."""

    wire = WIRE

    def foundation(self, backbone: Backbone) -> Foundation:
        """Return the query and value projections of the model; ranks are each client's own."""
        targets = lora_shape(backbone.module).targets
        places = (Place(t.name, t.in_features, t.out_features) for t in targets)
        return Foundation(backbone.sha256, 0, tuple(places))

    def start(self, device: AdapterDevice) -> FedLoRAState:
        """Return a fresh head."""
        return FedLoRAState(self.private_head(device))

    @contextmanager
    def tuning(
        self, device: AdapterDevice, state: FedLoRAState, downlink: GlobalUpdate | None
    ) -> Iterator[Tuning[TrainedFactors]]:
        """Learn factors of this client's rank."""
        with self._attached(device, downlink) as lora:

            def uplink() -> TrainedFactors:
                factors = lora.factors()
                state.trained = factors.rows()
                state.beneath = downlink.factors if downlink and self.settings.is_stacked else None
                return TrainedFactors.of(state.trained, factors.shape)

            lesson = answer_lesson(partial(_logits, device, state))
            yield Tuning({"client's low-rank": lora.parameters()}, lesson, uplink)

    @contextmanager
    def models(
        self, device: AdapterDevice, state: FedLoRAState, downlink: GlobalUpdate | None
    ) -> Iterator[Mapping[str, Logits]]:
        """Return the federation's update as this client holds it: whole, or cut to its rank."""
        with self._attached(device, downlink):
            yield {"shared": partial(_logits, device, state)}

    def exported(self, state: FedLoRAState, task: Task) -> ExportedLora:
        """Return all that was added to the weights when this client last trained."""
        if state.trained is None:
            raise ModelError("FedLoRA: expected a client that has trained, got a fresh one")
        shape = shape_of(task)
        own = LoraFactors.from_rows(shape, state.trained)
        if state.beneath is None:
            return ExportedLora(own)
        return ExportedLora(added(LoraFactors.from_rows(shape, state.beneath), own))

    @contextmanager
    def _attached(
        self, device: AdapterDevice, downlink: GlobalUpdate | None
    ) -> Iterator[AttachedLora]:
        """Put the federation's update on the backbone, and factors to train."""
        shape = shape_of(device.task)
        rank = self.settings.rank_in(shape, device.partition)
        randomness = device.generator("lora")
        fresh = LoraFactors.initial(shape, rank, randomness)
        received = None if downlink is None else downlink.read("server", shape)
        if received is not None and not self.settings.is_stacked:
            fresh = truncated(received, rank).with_idle_redrawn(randomness)
        accumulated = received if self.settings.is_stacked else None
        with attached(device.backbone.module, fresh, accumulated) as lora:
            yield lora


def _logits(device: AdapterDevice, state: FedLoRAState, batch: Batch) -> Tensor:
    logits: Tensor = state.head(device.backbone.features(batch.images, batch.tokens, batch.mask))
    return logits
