"""The device half of FedAdapter: train one adapter and a private head."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import final

from torch import nn

from strategies.common import seeds
from strategies.common.adapters.adapter_set import AdapterSet
from strategies.common.adapters.answering import Answering
from strategies.common.adapters.backbone import Backbone
from strategies.common.adapters.foundation import adapter_shape, bottleneck_foundation
from strategies.common.adapters.halves import AdapterClientHalf, Logits
from strategies.common.adapters.heads import private_head
from strategies.common.adapters.keys import keys_of
from strategies.common.adapters.learning import LocalLessons, answer_lesson, require_movement
from strategies.common.adapters.wire import SharedAdapter, TrainedAdapter, received
from strategies.common.device import AdapterDevice
from strategies.common.round import Phase, Trained
from strategies.common.task import Foundation
from strategies.fedadapter.settings import FedAdapterSettings
from strategies.fedadapter.wire import phase_of


@final
@dataclass
class FedAdapterState:
    """What stays on the device.

    Attributes
    ----------
    adapter : AdapterSet
        The adapter after this client's last training.
    head : nn.Sequential
        Its classifier over its own answers.
    """

    adapter: AdapterSet
    head: nn.Sequential


@final
class FedAdapterClient(
    AdapterClientHalf[FedAdapterSettings, FedAdapterState, SharedAdapter, TrainedAdapter]
):
    """Trains an adapter on a frozen foundation model."""

    def phase(self, round_number: int) -> Phase:
        """Return the payloads of a round: adapters go up for as long as they are shared."""
        return phase_of(self.settings, round_number)

    def foundation(self, backbone: Backbone) -> Foundation:
        """Return the blocks of the model, one bottleneck each."""
        return bottleneck_foundation(backbone, self.provided.adapters.rank)

    def start(self, device: AdapterDevice) -> FedAdapterState:
        """Return a fresh adapter, with which all clients begin alike, and a head of its own."""
        shape, seed = adapter_shape(device.task), device.settings.seed
        head = private_head(device, self.provided.adapters)
        randomness = seeds.generator(seed, "shared-adapter")
        adapter = AdapterSet(shape, self.provided.adapters.initialisation, randomness)
        return FedAdapterState(adapter.to(device.torch_device), head)

    def train(
        self, device: AdapterDevice, state: FedAdapterState, downlink: SharedAdapter | None
    ) -> Trained[TrainedAdapter]:
        """Run the local epochs, from what came down or, where nothing did, from one's own.

        Raises
        ------
        WireError
            If an adapter with other keys arrived.
        ModelError
            If training diverged, or the adapter did not move.
        """
        shape = adapter_shape(device.task)
        if downlink is not None:
            state.adapter.load(received(downlink, shape))
        before = state.adapter.vector().cpu()
        moving = chain(state.adapter.parameters(), state.head.parameters())
        lessons = LocalLessons(device, self.provided.adapters, moving, self.settings.compute)
        with Answering(device.backbone, state.head) as answering:
            logits = partial(answering.logits, adapters=state.adapter)
            losses = lessons.give(answer_lesson(logits, lessons.optimiser))
        trained = state.adapter.vector().cpu()
        require_movement("client's", before, trained)
        shared = self.phase(device.round_number).up is not None
        uplink = TrainedAdapter(trained, keys_of(shape)) if shared else None
        return Trained(uplink, losses, notes=lessons.notes)

    @contextmanager
    def models(
        self, device: AdapterDevice, state: FedAdapterState, downlink: SharedAdapter | None
    ) -> Iterator[Mapping[str, Logits]]:
        """Return the adapter that came down, and the client's own from before it was averaged."""
        shape = adapter_shape(device.task)
        adapters = {}
        if downlink is not None:
            adapters["shared"] = AdapterSet.from_vector(shape, received(downlink, shape))
        adapters["own"] = state.adapter
        with Answering(device.backbone, state.head) as answering:
            yield {
                role: partial(answering.logits, adapters=used.to(device.torch_device))
                for role, used in adapters.items()
            }
