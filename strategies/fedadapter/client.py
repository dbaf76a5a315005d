"""The device half of FedAdapter: train one adapter and a private head."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import ClassVar, final

import torch
from torch import nn

from strategies.common import seeds
from strategies.common.adapters.adapter_set import AdapterSet
from strategies.common.adapters.answering import Answering
from strategies.common.adapters.backbone import Backbone
from strategies.common.adapters.client_half import AdapterClientHalf, Logits
from strategies.common.adapters.foundation import adapter_shape, bottleneck_foundation
from strategies.common.adapters.heads import private_head
from strategies.common.adapters.keys import keys_of
from strategies.common.adapters.learning import LocalLessons, answer_lesson, require_movement
from strategies.common.adapters.settings import AdapterSettings
from strategies.common.adapters.wire import SharedAdapter, TrainedAdapter, received
from strategies.common.device import Device
from strategies.common.method import Trained
from strategies.common.task import Foundation
from strategies.common.wire import Payload
from strategies.fedadapter.settings import FedAdapterSettings


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
class FedAdapterClient(AdapterClientHalf[FedAdapterState, SharedAdapter, TrainedAdapter]):
    """Trains an adapter on a frozen foundation model.

    Parameters
    ----------
    settings : FedAdapterSettings
        How much is learnt in a round.
    adapters : AdapterSettings
        The adapter's size, and how it is trained.
    """

    downlink: ClassVar[type[Payload] | None] = SharedAdapter

    def __init__(self, settings: FedAdapterSettings, adapters: AdapterSettings) -> None:
        self._settings = settings
        self._adapters = adapters

    def foundation(self, backbone: Backbone) -> Foundation:
        """Return the blocks of the model, one bottleneck each."""
        return bottleneck_foundation(backbone, self._adapters.rank)

    def start(self, device: Device) -> FedAdapterState:
        """Return a fresh adapter, with which all clients begin alike, and a head of its own."""
        shape, seed = adapter_shape(device.task), device.settings.seed
        head = private_head(device, self._adapters)
        randomness = seeds.generator(seed, "shared-adapter")
        adapter = AdapterSet(shape, self._adapters.initialisation, randomness)
        return FedAdapterState(adapter.to(device.torch_device), head)

    def train(
        self, device: Device, state: FedAdapterState, downlink: SharedAdapter | None
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
        lessons = LocalLessons(device, self._adapters, moving, self._settings.compute)
        with Answering(device.backbone, state.head) as answering:
            logits = partial(answering.logits, adapters=state.adapter)
            losses = lessons.give(answer_lesson(logits, lessons.optimiser))
        trained = state.adapter.vector().cpu()
        require_movement("client's", before, trained)
        alone = 0 <= self._settings.shared_rounds < device.round_number
        samples = torch.tensor([len(device.train)])
        uplink = None if alone else TrainedAdapter(trained, keys_of(shape), samples)
        return Trained(uplink, losses, notes=lessons.notes)

    @contextmanager
    def models(
        self, device: Device, state: FedAdapterState, downlink: SharedAdapter | None
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
