"""The device half of SplitFed: client models that learn from the server's gradients."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from strategies.common.device import ExchangeDevice
from strategies.common.errors import StoreError, WireError
from strategies.common.round import Trained
from strategies.common.split.halves import SplitClientHalf
from strategies.common.split.link import Lane
from strategies.common.split.lockstep import Exchanged, run_lanes
from strategies.common.split.networks.fronts import Fronts
from strategies.common.split.networks.of_run import client_models, client_part
from strategies.common.split.seats import rows_of, seated
from strategies.common.split.sgd import SGD
from strategies.common.split.surveying import send_samples
from strategies.common.split.wire.frames import FrameSpec
from strategies.splitfed.members import Batch, Members
from strategies.splitfed.settings import SplitFedSettings
from strategies.splitfed.wire import WIRE, AveragedFront, TrainedFronts, frame_spec


@final
@dataclass
class SplitFedState:
    """What stays on the device; client models come averaged with every round's message.

    Attributes
    ----------
    velocity : Tensor | None
        (clients, parameters) momentum buffers of the node's logical clients, which are
        neither averaged nor reset; ``None`` before the first round.
    """

    velocity: Tensor | None


@final
class SplitFedClient(
    SplitClientHalf[SplitFedSettings, SplitFedState, AveragedFront, TrainedFronts]
):
    """Computes client models up to the cut."""

    wire = WIRE

    def start(self, device: ExchangeDevice) -> SplitFedState:
        """Return a state before any step."""
        return SplitFedState(None)

    def train(
        self, device: ExchangeDevice, state: SplitFedState, downlink: AveragedFront | None
    ) -> Trained[TrainedFronts]:
        """Exchange activations for gradients through the whole session.

        Raises
        ------
        WireError
            If the server sent no client model, or one of another network.
        StoreError
            If the state belongs to another number of clients.
        ExchangeError
            If the server cannot be reached or does not answer in time.
        """
        network = client_part(self.provided.split, device.task, device.settings.seed)
        fronts = client_models(network, self.provided.split)
        front = _checked(downlink, fronts.num_parameters)
        velocity = _velocity(state, len(device.clients), fronts.num_parameters)
        seats = seated(device)
        lanes = {
            cohort: device.link.lane(cohort, self._spec(device, clients, network.latent_shape))
            for cohort, clients in seats.items()
        }
        cohorts = {
            cohort: self._members(device, clients, fronts, front, velocity)
            for cohort, clients in seats.items()
        }
        exchanged = _exchange(device, lanes, cohorts)
        state.velocity = velocity
        for cohort, clients in seats.items():
            velocity[rows_of(device, clients)] = cohorts[cohort].velocity.cpu()
        return _brought_home(seats, cohorts, exchanged)

    def evaluate(
        self,
        device: ExchangeDevice,
        state: SplitFedState,
        downlink: AveragedFront | None,
    ) -> None:
        """Send the server the test samples' activations with their labels, if it asks for them.

        They pass the synchronised client model as they are.

        Raises
        ------
        WireError
            If the server sent no client model, or one of another network.
        ExchangeError
            If the server cannot be reached or does not answer in time.
        """
        if device.link.plan.steps:
            return
        network = client_part(self.provided.split, device.task, device.settings.seed)
        fronts = Fronts(network.front, batched=False)
        front = _checked(downlink, fronts.num_parameters).to(device.torch_device)
        asked = set(device.link.plan.pool)
        for client in device.clients:
            if client.partition in asked:
                send_samples(device, client.partition, "test", client.test, fronts, front)

    def _spec(
        self, device: ExchangeDevice, clients: tuple[int, ...], latent_shape: tuple[int, ...]
    ) -> FrameSpec:
        plan, num_classes = device.link.plan, device.task.num_classes
        return frame_spec(plan, clients, latent_shape, num_classes, self.provided.split)

    def _members(
        self,
        device: ExchangeDevice,
        clients: tuple[int, ...],
        fronts: Fronts,
        front: Tensor,
        velocity: Tensor,
    ) -> Members:
        rows = rows_of(device, clients)
        return Members(
            [device.clients[row] for row in rows],
            fronts,
            front.repeat(len(rows), 1).to(device.torch_device),
            velocity[rows].to(device.torch_device),
            SGD(self.settings.momentum, self.settings.weight_decay),
            device.link.plan.batch,
        )


def _checked(downlink: AveragedFront | None, num_parameters: int) -> Tensor:
    if downlink is None:
        raise WireError(f"server: expected a payload {AveragedFront.schema}, got none")
    if downlink.front.shape != (num_parameters,):
        raise WireError(
            f"server: {AveragedFront.schema}.front: expected ({num_parameters},), got "
            f"{tuple(downlink.front.shape)}; all parts of a federation must run with the same "
            f"settings"
        )
    return downlink.front


def _velocity(state: SplitFedState, clients: int, num_parameters: int) -> Tensor:
    """Return the momentum buffers to go on from, (clients, parameters) on the CPU."""
    if state.velocity is None:
        return torch.zeros(clients, num_parameters)
    if state.velocity.shape != (clients, num_parameters):
        raise StoreError(
            f"stored state: expected momentum buffers ({clients}, {num_parameters}), got "
            f"{tuple(state.velocity.shape)}; clients-per-node and the network must stay the same "
            f"within a run"
        )
    return state.velocity.cpu().clone()


def _exchange(
    device: ExchangeDevice, lanes: Mapping[int, Lane], cohorts: Mapping[int, Members]
) -> Exchanged:
    learning_rate = device.settings.learning_rate

    def prepare(cohort: int, step: int) -> Batch:
        return cohorts[cohort].prepare(step)

    def forward(cohort: int, step: int, batch: Batch) -> tuple[Tensor, ...]:  # noqa: ARG001
        return cohorts[cohort].forward(batch)

    def backward(cohort: int, step: int, activations: Tensor, gradient: Tensor) -> None:  # noqa: ARG001
        cohorts[cohort].backward(activations, gradient, learning_rate)

    return run_lanes(device.link.plan, lanes, prepare, forward, backward)


def _brought_home(
    seats: Mapping[int, tuple[int, ...]], cohorts: Mapping[int, Members], exchanged: Exchanged
) -> Trained[TrainedFronts]:
    """Pack what leaves the device, client by client whatever their cohorts."""
    clients = torch.tensor([client for own in seats.values() for client in own])
    order = clients.argsort()
    fronts = torch.cat([cohorts[cohort].weights.detach().cpu() for cohort in seats])
    samples = torch.tensor([count for cohort in seats for count in cohorts[cohort].samples])
    norms = [norm for cohort in seats for norm in cohorts[cohort].gradient_norms]
    return Trained(
        TrainedFronts(fronts[order], clients[order], samples[order]),
        {"gradient_norm": sum(norms) / len(norms)} if norms else {},
        {"steps": float(exchanged.taken), "skipped_steps": float(exchanged.skipped)},
    )
