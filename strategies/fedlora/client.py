"""The device half of FedLoRA: train low-rank factors and a private head."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import final

import torch
from torch import Tensor, nn

from strategies.common.adapters.backbone import Backbone
from strategies.common.adapters.halves import AdapterClientHalf, Logits
from strategies.common.adapters.heads import private_head
from strategies.common.adapters.keys import keys_of
from strategies.common.adapters.learning import LocalLessons, answer_lesson, require_movement
from strategies.common.adapters.reading import Batch
from strategies.common.device import AdapterDevice
from strategies.common.round import Trained
from strategies.common.task import Foundation, Place
from strategies.fedlora.lora import AttachedLora, attached, lora_shape
from strategies.fedlora.lora_aggregation import truncated
from strategies.fedlora.lora_factors import LoraFactors
from strategies.fedlora.settings import FedLoRASettings
from strategies.fedlora.wire import WIRE, GlobalUpdate, TrainedFactors, read_factors, shape_of


@final
@dataclass
class FedLoRAState:
    """What stays on the device.

    Attributes
    ----------
    head : nn.Sequential
        The client's classifier over its own answers.
    """

    head: nn.Sequential


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
        return FedLoRAState(private_head(device, self.provided.adapters))

    def train(
        self, device: AdapterDevice, state: FedLoRAState, downlink: GlobalUpdate | None
    ) -> Trained[TrainedFactors]:
        """Run the local epochs on factors of this client's rank.

        Raises
        ------
        WireError
            If an update of other layers arrived.
        ModelError
            If training diverged, or the factors did not move.
        """
        with self._attached(device, downlink) as lora:
            before = lora.factors()
            moving = chain(lora.parameters(), state.head.parameters())
            lessons = LocalLessons(device, self.provided.adapters, moving)
            logits = partial(_logits, device, state)
            losses = lessons.give(answer_lesson(logits, lessons.optimiser))
            factors = lora.factors()
        require_movement("client's low-rank", before.vector(), factors.vector())
        uplink = TrainedFactors(
            factors.vector(),
            torch.tensor([factors.rank]),
            keys_of(factors.shape),
        )
        return Trained(uplink, losses, notes=lessons.notes)

    @contextmanager
    def models(
        self, device: AdapterDevice, state: FedLoRAState, downlink: GlobalUpdate | None
    ) -> Iterator[Mapping[str, Logits]]:
        """Return the federation's update as this client holds it: whole, or cut to its rank."""
        with self._attached(device, downlink):
            yield {"shared": partial(_logits, device, state)}

    @contextmanager
    def _attached(
        self, device: AdapterDevice, downlink: GlobalUpdate | None
    ) -> Iterator[AttachedLora]:
        """Put the federation's update on the backbone, and factors to train."""
        shape = shape_of(device.task)
        rank = min(self.settings.rank_of(device.partition), shape.full_rank)
        randomness = device.generator("lora")
        fresh = LoraFactors.initial(shape, rank, randomness)
        received = None if downlink is None else read_factors("server", downlink, shape)
        stacked = self.settings.aggregation == "stack"
        if received is not None and not stacked:
            fresh = truncated(received, rank).with_idle_redrawn(randomness)
        accumulated = received if stacked else None
        with attached(device.backbone.module, fresh, accumulated) as lora:
            yield lora


def _logits(device: AdapterDevice, state: FedLoRAState, batch: Batch) -> Tensor:
    logits: Tensor = state.head(device.backbone.features(batch.images, batch.tokens, batch.mask))
    return logits
