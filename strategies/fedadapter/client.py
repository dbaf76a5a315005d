"""The device half of FedAdapter: train one adapter and a private head."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import final

from strategies.common.adapters.adapter_set import AdapterSet
from strategies.common.adapters.answering import Answering
from strategies.common.adapters.attachment import Delta
from strategies.common.adapters.export import ExportedBottlenecks
from strategies.common.adapters.halves import HeadState
from strategies.common.adapters.learning import Tuning, answer_lesson
from strategies.common.adapters.shared_adapter import SharingClientHalf, as_uplink
from strategies.common.adapters.wire import SharedAdapter, TrainedAdapter
from strategies.common.device import AdapterDevice
from strategies.common.round import Phase
from strategies.common.task import Task
from strategies.fedadapter.settings import FedAdapterSettings
from strategies.fedadapter.wire import phase_of


@final
@dataclass
class FedAdapterState(HeadState):
    """What stays on the device.

    Attributes
    ----------
    adapter : AdapterSet
        The adapter after this client's last training.
    """

    adapter: AdapterSet


@final
class FedAdapterClient(SharingClientHalf[FedAdapterSettings, FedAdapterState]):
    """Trains an adapter on a frozen foundation model."""

    def phase(self, round_number: int) -> Phase:
        """Return the payloads of a round: adapters go up for as long as they are shared."""
        return phase_of(self.settings, round_number)

    def start(self, device: AdapterDevice) -> FedAdapterState:
        """Return a fresh adapter, with which all clients begin alike, and a head of its own."""
        return FedAdapterState(self.private_head(device), self.fresh(device))

    def lessons(
        self,
        device: AdapterDevice,
        state: FedAdapterState,
        downlink: SharedAdapter | None,
        answering: Answering,
    ) -> Tuning[TrainedAdapter]:
        """Learn from what came down or, where nothing did, from one's own."""
        if downlink is not None:
            state.adapter.load(self.received(device, downlink).vector())
        is_shared = self.phase(device.round_number).up is not None
        return Tuning(
            {"client's": [*state.adapter.parameters()]},
            answer_lesson(partial(answering.logits, adapters=state.adapter)),
            lambda: as_uplink(state.adapter) if is_shared else None,
            self.settings.compute,
        )

    def adapters(
        self, device: AdapterDevice, state: FedAdapterState, downlink: SharedAdapter | None
    ) -> Mapping[str, Iterable[Delta]]:
        """Return the adapter that came down, and the client's own from before it was averaged."""
        own = {"own": state.adapter}
        return own if downlink is None else {"shared": self.received(device, downlink), **own}

    def exported(self, state: FedAdapterState, task: Task) -> ExportedBottlenecks:
        """Return the client's own adapter."""
        return ExportedBottlenecks(state.adapter)
