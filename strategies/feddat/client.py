"""The device half of FedDAT: two adapters that teach each other, under a private head."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import final

from torch import nn

from strategies.common import seeds
from strategies.common.adapters.adapter_set import AdapterSet
from strategies.common.adapters.answering import Answering
from strategies.common.adapters.attachment import Delta
from strategies.common.adapters.backbone import Backbone
from strategies.common.adapters.dual import DualAdapter
from strategies.common.adapters.foundation import adapter_shape, bottleneck_foundation
from strategies.common.adapters.halves import AdapterClientHalf, Logits
from strategies.common.adapters.heads import private_head
from strategies.common.adapters.keys import keys_of
from strategies.common.adapters.learning import LocalLessons, require_movement
from strategies.common.adapters.wire import WIRE, SharedAdapter, TrainedAdapter, received
from strategies.common.device import AdapterDevice
from strategies.common.round import Trained
from strategies.common.task import Foundation
from strategies.feddat.lesson import Lesson
from strategies.feddat.settings import FedDATSettings


@final
@dataclass
class FedDATState:
    """What stays on the device.

    Attributes
    ----------
    frozen : AdapterSet
        The shared adapter as this client last received it for training.
    local : AdapterSet
        This client's own adapter (A_c).
    head : nn.Sequential
        Its classifier over its own answers (h_k).
    """

    frozen: AdapterSet
    local: AdapterSet
    head: nn.Sequential


@final
class FedDATClient(AdapterClientHalf[FedDATSettings, FedDATState, SharedAdapter, TrainedAdapter]):
    """Trains the shared and the own adapter on a frozen foundation model."""

    wire = WIRE

    def foundation(self, backbone: Backbone) -> Foundation:
        """Return the blocks of the model, one bottleneck each."""
        return bottleneck_foundation(backbone, self.provided.adapters.rank)

    def start(self, device: AdapterDevice) -> FedDATState:
        """Return fresh adapters, with which all clients begin alike, and a head of its own."""
        shape, seed = adapter_shape(device.task), device.settings.seed
        head = private_head(device, self.provided.adapters)
        frozen, local = (
            AdapterSet(shape, self.provided.adapters.initialisation, seeds.generator(seed, purpose))
            for purpose in ("shared-adapter", "local-adapter")
        )
        where = device.torch_device
        return FedDATState(frozen.to(where), local.to(where), head)

    def train(
        self, device: AdapterDevice, state: FedDATState, downlink: SharedAdapter | None
    ) -> Trained[TrainedAdapter]:
        """Give one lesson per batch of the local epochs.

        Raises
        ------
        WireError
            If no shared adapter arrived, or one with other keys.
        ModelError
            If training diverged, or an adapter did not move.
        """
        shape = adapter_shape(device.task)
        sent = received(downlink, shape)
        shared = AdapterSet.from_vector(shape, sent).to(device.torch_device)
        state.frozen.load(sent)
        own = state.local.vector()
        moving = chain(shared.parameters(), state.local.parameters(), state.head.parameters())
        lessons = LocalLessons(device, self.provided.adapters, moving)
        teacher = DualAdapter(state.frozen, state.local)
        with Answering(device.backbone, state.head) as answering:
            lesson = Lesson(self.settings, answering, shared, teacher, lessons.optimiser)
            losses = lessons.give(lesson)
        trained = shared.vector().cpu()
        require_movement("shared", sent, trained)
        require_movement("client's own", own, state.local.vector())
        uplink = TrainedAdapter(trained, keys_of(shape))
        return Trained(uplink, losses, notes=lessons.notes)

    @contextmanager
    def models(
        self, device: AdapterDevice, state: FedDATState, downlink: SharedAdapter | None
    ) -> Iterator[Mapping[str, Logits]]:
        """Return the adapter that came down, the teacher and the client's own adapter alone."""
        shape = adapter_shape(device.task)
        shared = AdapterSet.from_vector(shape, received(downlink, shape)).to(device.torch_device)
        adapters: dict[str, Iterable[Delta]] = {
            "shared": shared,
            "teacher": DualAdapter(state.frozen, state.local),
            "local": state.local,
        }
        first = self.settings.inference
        ordered = {first: adapters.pop(first), **adapters}
        with Answering(device.backbone, state.head) as answering:
            yield {role: partial(answering.logits, adapters=used) for role, used in ordered.items()}
