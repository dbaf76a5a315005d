"""The device half of SplitFed: client models that learn from the server's gradients."""

from collections.abc import Mapping, Sequence
from typing import final

from torch import Tensor

from strategies.common.device import ExchangeDevice
from strategies.common.split.halves import SplitClientHalf
from strategies.common.split.members import Learnt
from strategies.common.split.networks import joined
from strategies.common.split.networks.joined import JoinedNetwork
from strategies.common.split.networks.stacked import StackedModels
from strategies.common.split.sgd import SGD
from strategies.common.split.wire.frames import FrameSpec
from strategies.splitfed.members import SplitFedMembers, SplitFedState
from strategies.splitfed.settings import SplitFedSettings
from strategies.splitfed.wire import WIRE, SplitFedAverage, SplitFedModels, frame_spec


@final
class SplitFedClient(
    SplitClientHalf[
        SplitFedSettings, SplitFedState, SplitFedAverage, SplitFedModels, SplitFedMembers
    ]
):
    """Computes client models up to the cut."""

    wire = WIRE

    def start(self, device: ExchangeDevice) -> SplitFedState:
        """Return a state before any step."""
        return SplitFedState()

    def frames(self, clients: tuple[int, ...], batch: int) -> FrameSpec:
        """Return what the frames of some clients hold: activations and labels."""
        return frame_spec(self.agreed, clients, batch)

    def members(
        self,
        device: ExchangeDevice,
        state: SplitFedState,
        downlink: SplitFedAverage,
        models: StackedModels,
        rows: Sequence[int],
    ) -> SplitFedMembers:
        """Start all clients from the averaged model, each with its own momentum."""
        velocity = state.velocity_of(len(device.clients), models.num_parameters)
        return SplitFedMembers(
            [device.clients[row] for row in rows],
            models,
            downlink.model.repeat(len(rows), 1).to(device.torch_device),
            velocity[list(rows)].to(device.torch_device),
            SGD(self.settings.momentum, self.settings.weight_decay),
            device.link.plan.batch,
        )

    def bring_home(
        self,
        device: ExchangeDevice,
        state: SplitFedState,
        rows: Sequence[int],
        learnt: Learnt[SplitFedMembers],
    ) -> tuple[SplitFedModels, Mapping[str, float]]:
        """Keep the momentum, and send each client's model with its number of samples."""
        state.keep(len(device.clients), rows, learnt.rows(lambda members: members.velocity))
        norms = [norm for members in learnt.cohorts for norm in members.gradient_norms]
        losses = {"gradient_norm": sum(norms) / len(norms)} if norms else {}
        models = learnt.rows(lambda members: members.weights)
        samples = learnt.rows(lambda members: members.samples)
        return SplitFedModels(models, learnt.clients, samples), losses

    def joined(self, server: Mapping[str, Tensor]) -> JoinedNetwork:
        """Return the synchronised client model with the server's part behind it."""
        network = joined.build(self.provided.split, self.agreed.task, classifies=True)
        names = {"back/0.": "back.", "back/1.": "head."}
        return joined.load(network, server["front"], joined.renamed(server, names))
