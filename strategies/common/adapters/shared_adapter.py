"""Methods that average one shared bottleneck adapter: what their halves have in common."""

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import ClassVar, Generic, final

import torch
from torch import Tensor

from strategies.common import seeds
from strategies.common.adapters.adapter_set import AdapterSet
from strategies.common.adapters.answering import Answering
from strategies.common.adapters.attachment import Delta
from strategies.common.adapters.backbone import Backbone
from strategies.common.adapters.foundation import adapter_shape, bottleneck_foundation
from strategies.common.adapters.halves import (
    AdapterClientHalf,
    AdapterServerHalf,
    AnyHeadState,
    Logits,
)
from strategies.common.adapters.learning import Tuning
from strategies.common.adapters.wire import WIRE, SharedAdapter, TrainedAdapter, received
from strategies.common.averaging import average
from strategies.common.device import AdapterDevice
from strategies.common.errors import WireError
from strategies.common.magnitudes import ADAPTER_FACTOR, Size, sizes_of
from strategies.common.method import MethodSettings
from strategies.common.round import Aggregated, Phase, Reply
from strategies.common.task import Foundation

# Server and clients draw the shared adapter of before the first round alike.
_SHARED = "shared-adapter"


class SharingClientHalf(
    AdapterClientHalf[MethodSettings, AnyHeadState, SharedAdapter, TrainedAdapter],
    Generic[MethodSettings, AnyHeadState],
):
    """Trains bottleneck adapters, one of which is sent and averaged."""

    wire: ClassVar[Phase] = WIRE

    @abstractmethod
    def lessons(
        self,
        device: AdapterDevice,
        state: AnyHeadState,
        downlink: SharedAdapter | None,
        answering: Answering,
    ) -> Tuning[TrainedAdapter]:
        """Return what this client does in this round, on a backbone that takes adapters."""

    @abstractmethod
    def adapters(
        self, device: AdapterDevice, state: AnyHeadState, downlink: SharedAdapter | None
    ) -> Mapping[str, Iterable[Delta]]:
        """Return what the client may answer with, by name; the first one counts."""

    @final
    def foundation(self, backbone: Backbone) -> Foundation:
        """Return the blocks of the model, one bottleneck each."""
        return bottleneck_foundation(backbone, self.provided.adapters.rank)

    @final
    def fresh(self, device: AdapterDevice, purpose: str = _SHARED) -> AdapterSet:
        """Return an adapter with which all clients begin alike."""
        randomness = seeds.generator(device.settings.seed, purpose)
        shape, start = adapter_shape(device.task), self.provided.adapters.initialisation
        return AdapterSet(shape, start, randomness).to(device.torch_device)

    @final
    def received(self, device: AdapterDevice, downlink: SharedAdapter | None) -> AdapterSet:
        """Return the shared adapter that came down.

        Raises
        ------
        WireError
            If none did, or its keys are others.
        """
        return received(downlink, adapter_shape(device.task)).to(device.torch_device)

    @final
    @contextmanager
    def tuning(
        self, device: AdapterDevice, state: AnyHeadState, downlink: SharedAdapter | None
    ) -> Iterator[Tuning[TrainedAdapter]]:
        """Return what this client does in this round."""
        with Answering(device.backbone, state.head) as answering:
            yield self.lessons(device, state, downlink, answering)

    @final
    @contextmanager
    def models(
        self, device: AdapterDevice, state: AnyHeadState, downlink: SharedAdapter | None
    ) -> Iterator[Mapping[str, Logits]]:
        """Return one model for each of the client's adapters."""
        adapters = self.adapters(device, state, downlink)
        with Answering(device.backbone, state.head) as answering:
            yield {name: partial(answering.logits, adapters=own) for name, own in adapters.items()}


def as_uplink(adapter: AdapterSet) -> TrainedAdapter:
    """Return a trained adapter as it is sent."""
    return TrainedAdapter.of(adapter.vector().cpu(), adapter.shape)


@final
@dataclass
class SharedAdapterState:
    """What survives a round.

    Attributes
    ----------
    shared : Tensor
        (parameters,) the shared adapter.
    completed : Tensor
        () int64 rounds that were aggregated.
    """

    shared: Tensor
    completed: Tensor


class AveragingServerHalf(
    AdapterServerHalf[MethodSettings, SharedAdapterState, SharedAdapter, TrainedAdapter],
    Generic[MethodSettings],
):
    """Sends the shared adapter, refuses what is none, and averages.

    The mean of bottlenecks is not the bottleneck of mean outputs: both layers are averaged
    apart, and hidden units may have changed places. Adapters that begin every round alike
    keep that error small; low-rank updates can be averaged exactly, see
    ``fedlora/lora_aggregation.py``.
    """

    wire: ClassVar[Phase] = WIRE

    @final
    def start(self) -> SharedAdapterState:
        """Return a fresh adapter.

        Raises
        ------
        ModelError
            If the clients' task has no foundation model.
        """
        randomness = seeds.generator(self.provided.run.seed, _SHARED)
        initialisation = self.provided.adapters.initialisation
        adapter = AdapterSet(adapter_shape(self.agreed.task), initialisation, randomness)
        return SharedAdapterState(adapter.vector(), torch.tensor(0))

    def broadcast(self, state: SharedAdapterState) -> SharedAdapter | None:
        """Return the adapter."""
        return SharedAdapter.of(state.shared, adapter_shape(self.agreed.task))

    @final
    def check(self, state: SharedAdapterState, reply: Reply[TrainedAdapter]) -> None:
        """Refuse an adapter that did not move, or has other keys.

        Raises
        ------
        WireError
            Saying what is wrong; the client then counts as failed.
        """
        where = f"client {reply.partition}"
        reply.uplink.require(where, adapter_shape(self.agreed.task))
        half = self.provided.run.wire_dtype == "float16"
        arrived = state.shared.half().float() if half else state.shared
        if torch.equal(reply.uplink.adapter, arrived):
            raise WireError(
                f"{where}: {reply.uplink.schema}.adapter: expected a trained adapter, got the one "
                f"that was sent; the client did not learn, or sent a copy from before it did"
            )

    @final
    def magnitudes(
        self, state: SharedAdapterState, reply: Reply[TrainedAdapter]
    ) -> Mapping[str, Size]:
        """Return how far a client moved the adapter."""
        return sizes_of(reply.uplink, {"adapter": state.shared}, factor=ADAPTER_FACTOR)

    @final
    def aggregate(
        self,
        state: SharedAdapterState,
        round_number: int,
        replies: Sequence[Reply[TrainedAdapter]],
    ) -> Aggregated:
        """Replace the adapter by the weighted mean; keep it where nobody sent one.

        Diagnostics are how far the clients moved the adapter, and how far their mean did: a
        mean that moves far less says that they pull in different directions.
        """
        state.completed = torch.tensor(round_number)
        if not replies:
            return Aggregated()
        before, sent = state.shared, [reply.uplink.adapter for reply in replies]
        by_samples = self.provided.adapters.aggregation_weights == "samples"
        samples = [reply.samples if by_samples else 1 for reply in replies]
        state.shared = average(sent, [own / sum(samples) for own in samples])
        diagnostics = {
            "adapter_moved_by_clients": float((torch.stack(sent) - before).norm(dim=1).mean()),
            "adapter_moved": float((state.shared - before).norm()),
        }
        return Aggregated(diagnostics)
