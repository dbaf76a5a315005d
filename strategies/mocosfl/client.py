"""The device half of MocoSFL: client models that learn from the server's gradients."""

from collections.abc import Mapping, Sequence
from typing import final

from torch import Tensor

from strategies.common.device import Device, ExchangeDevice
from strategies.common.round import Phase
from strategies.common.samples import Samples
from strategies.common.split.halves import SplitClientHalf
from strategies.common.split.members import Learnt
from strategies.common.split.networks import joined
from strategies.common.split.networks.joined import JoinedNetwork
from strategies.common.split.networks.stacked import StackedModels
from strategies.common.split.wire.frames import FrameSpec, Split
from strategies.mocosfl.features import bank_and_holdout, without_copies
from strategies.mocosfl.members import MocoSFLMembers, gathered
from strategies.mocosfl.private import MocoSFLClientState, models_of
from strategies.mocosfl.settings import MocoSFLSettings, steps_per_round
from strategies.mocosfl.wire import FROZEN, WIRE, MocoSFLAverage, MocoSFLModels, frame_spec


@final
class MocoSFLClient(
    SplitClientHalf[
        MocoSFLSettings, MocoSFLClientState, MocoSFLAverage, MocoSFLModels, MocoSFLMembers
    ]
):
    """Computes client models up to the cut."""

    wire = WIRE

    def phase(self, round_number: int) -> Phase:
        """Return the payloads; clients that are frozen upload nothing."""
        return FROZEN if self.settings.frozen else WIRE

    def start(self, device: ExchangeDevice) -> MocoSFLClientState:
        """Return the state of clients that have taken no step."""
        return MocoSFLClientState.before_any_step(len(device.clients))

    def frames(self, clients: tuple[int, ...], batch: int) -> FrameSpec:
        """Return what the frames of some clients hold: two views' activations."""
        return frame_spec(self.agreed, clients, batch)

    def members(
        self,
        device: ExchangeDevice,
        state: MocoSFLClientState,
        downlink: MocoSFLAverage,
        models: StackedModels,
        rows: Sequence[int],
    ) -> MocoSFLMembers:
        """Start all clients from the averaged model, each with its own momentum model."""
        own = models_of(state, rows, downlink, self.settings, device)
        clients, batch = [device.clients[row] for row in rows], device.link.plan.batch
        total = device.settings.rounds * steps_per_round(self.settings)
        return MocoSFLMembers(clients, models, own, self.settings, batch, total)

    def bring_home(
        self,
        device: ExchangeDevice,
        state: MocoSFLClientState,
        rows: Sequence[int],
        learnt: Learnt[MocoSFLMembers],
    ) -> tuple[MocoSFLModels | None, Mapping[str, float]]:
        """Keep momentum models and buffers, and send each client's model."""
        if self.settings.frozen:
            return None, {}
        own = gathered(learnt)
        state.keep(rows, own)
        norms = [members.gradient_norm for members in learnt.cohorts]
        momentum = own.momentum if self.settings.average_momentum else None
        sent = MocoSFLModels(own.online, learnt.clients, momentum)
        return sent, {"gradient_norm": sum(norms) / len(norms)}

    def joined(self, server: Mapping[str, Tensor]) -> JoinedNetwork:
        """Return what gives features: the client model with the server's backbone behind it."""
        network = joined.build(self.provided.split, self.agreed.task, classifies=False)
        back = joined.renamed(server, {"online/back.": "back."})
        return joined.load(network, server["front"], back)

    def surveyed(self, client: Device) -> Mapping[Split, Samples]:
        """Return training samples in two parts without copies across, and test samples."""
        own, part = client.train, self.settings.holdout_fraction
        bank, holdout = bank_and_holdout(len(own), part, client.settings.seed, client.partition)
        bank, holdout = without_copies(own.inputs, bank, holdout)
        return {"bank": own.rows(bank), "holdout": own.rows(holdout), "test": client.test}
