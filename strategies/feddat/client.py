"""The device half of FedDAT: two adapters that teach each other, under a private head."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import final

from strategies.common.adapters.adapter_set import AdapterSet
from strategies.common.adapters.answering import Answering
from strategies.common.adapters.attachment import Delta
from strategies.common.adapters.dual import DualAdapter, merged
from strategies.common.adapters.export import ExportedBottlenecks
from strategies.common.adapters.halves import HeadState
from strategies.common.adapters.learning import Tuning
from strategies.common.adapters.shared_adapter import SharingClientHalf, as_uplink
from strategies.common.adapters.wire import SharedAdapter, TrainedAdapter
from strategies.common.device import AdapterDevice
from strategies.common.task import Task
from strategies.feddat.lesson import MutualLesson
from strategies.feddat.settings import FedDATSettings


@final
@dataclass
class FedDATState(HeadState):
    """What stays on the device.

    Attributes
    ----------
    frozen : AdapterSet
        The shared adapter as this client last received it for training.
    local : AdapterSet
        This client's own adapter (A_c).
    """

    frozen: AdapterSet
    local: AdapterSet


@final
class FedDATClient(SharingClientHalf[FedDATSettings, FedDATState]):
    """Trains the shared and the own adapter on a frozen foundation model."""

    def start(self, device: AdapterDevice) -> FedDATState:
        """Return fresh adapters, with which all clients begin alike, and a head of its own."""
        head = self.private_head(device)
        return FedDATState(head, self.fresh(device), self.fresh(device, "local-adapter"))

    def lessons(
        self,
        device: AdapterDevice,
        state: FedDATState,
        downlink: SharedAdapter | None,
        answering: Answering,
    ) -> Tuning[TrainedAdapter]:
        """Let A_s, as it came down, and A_c teach each other."""
        shared = self.received(device, downlink)
        state.frozen.load(shared.vector())
        teacher = DualAdapter(state.frozen, state.local)
        moving = {"shared": [*shared.parameters()], "client's own": [*state.local.parameters()]}
        lesson = MutualLesson(self.settings, answering, shared, teacher)
        return Tuning(moving, lesson, lambda: as_uplink(shared))

    def adapters(
        self, device: AdapterDevice, state: FedDATState, downlink: SharedAdapter | None
    ) -> Mapping[str, Iterable[Delta]]:
        """Return the adapter that came down, the teacher and the client's own adapter alone."""
        adapters: dict[str, Iterable[Delta]] = {
            "shared": self.received(device, downlink),
            "teacher": DualAdapter(state.frozen, state.local),
            "local": state.local,
        }
        first = self.settings.inference
        return {first: adapters.pop(first), **adapters}

    def exported(self, state: FedDATState, task: Task) -> ExportedBottlenecks:
        """Return the teacher as one adapter of twice the rank."""
        return ExportedBottlenecks(merged(state.frozen, state.local))
