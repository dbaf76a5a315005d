"""The device half of MocoSFL: client models that learn from the server's gradients."""

from collections.abc import Mapping
from typing import final

import torch
from torch import Tensor

from strategies.common.device import Device, ExchangeDevice
from strategies.common.errors import WireError
from strategies.common.round import Trained
from strategies.common.samples import Samples
from strategies.common.split.halves import SplitClientHalf
from strategies.common.split.lockstep import run_lanes
from strategies.common.split.networks.fronts import Fronts as ClientModels
from strategies.common.split.networks.of_run import client_models, client_part
from strategies.common.split.seats import rows_of, seated
from strategies.common.split.surveying import send_samples
from strategies.common.split.wire.frames import Split
from strategies.mocosfl.automatic import steps_per_round
from strategies.mocosfl.frames import frame_spec
from strategies.mocosfl.holdout import bank_and_holdout
from strategies.mocosfl.members import Members, Views
from strategies.mocosfl.private import MocoSFLClientState, frozen_models
from strategies.mocosfl.settings import MocoSFLSettings
from strategies.mocosfl.wire import WIRE, AveragedFront, Fronts


@final
class MocoSFLClient(SplitClientHalf[MocoSFLSettings, MocoSFLClientState, AveragedFront, Fronts]):
    """Computes client models up to the cut."""

    wire = WIRE

    def start(self, device: ExchangeDevice) -> MocoSFLClientState:
        """Return the state of clients that have taken no step."""
        return MocoSFLClientState(torch.zeros(len(device.clients), dtype=torch.int64), None, None)

    def train(
        self, device: ExchangeDevice, state: MocoSFLClientState, downlink: AveragedFront | None
    ) -> Trained[Fronts]:
        """Exchange activations for gradients through the whole session.

        Raises
        ------
        WireError
            If the server sent no client model, or one of another network.
        StoreError
            If the state was stored under other settings.
        ExchangeError
            If the server cannot be reached or does not answer in time.
        """
        plan = device.link.plan
        network = client_part(self.provided.split, device.task, device.settings.seed)
        fronts = client_models(network, self.provided.split)
        received = self._checked(downlink, fronts)
        state.require(len(device.clients), fronts.num_parameters)
        seats = seated(device)
        cohorts = {
            cohort: self._members(device, own, fronts, state, received)
            for cohort, own in seats.items()
        }
        num_classes, frozen = device.task.num_classes, self.settings.frozen
        specs = {
            cohort: frame_spec(
                plan, own, network.latent_shape, num_classes, self.provided.split, frozen=frozen
            )
            for cohort, own in seats.items()
        }
        lanes = {cohort: device.link.lane(cohort, spec) for cohort, spec in specs.items()}

        def prepare(cohort: int, step: int) -> Views:
            return cohorts[cohort].prepare(step)

        def forward(cohort: int, step: int, views: Views) -> tuple[Tensor, ...]:  # noqa: ARG001
            return cohorts[cohort].forward(views)

        def backward(cohort: int, step: int, activations: Tensor, gradient: Tensor) -> None:
            cohorts[cohort].backward(step, activations, gradient)

        run_lanes(plan, lanes, prepare, forward, backward)
        return self._brought_home(device, state, cohorts, fronts.num_parameters)

    def evaluate(
        self,
        device: ExchangeDevice,
        state: MocoSFLClientState,
        downlink: AveragedFront | None,
    ) -> None:
        """Send the server what it evaluates, where it asks for it.

        These are the samples as they are, without augmentation, through the synchronised
        client model: training samples in two parts, and test samples, with their labels.

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
        fronts = client_models(network, self.provided.split)
        vector = self._checked(downlink, fronts).front.to(device.torch_device)
        for own in seated(device).values():
            for row in rows_of(device, own):
                self._survey(device, device.clients[row], fronts, vector)

    def _checked(self, downlink: AveragedFront | None, fronts: ClientModels) -> AveragedFront:
        if downlink is None:
            raise WireError(f"server: expected a payload {AveragedFront.schema}, got none")
        length = fronts.num_parameters
        expected = ((length,), (int(self.settings.average_momentum), length))
        got = (tuple(downlink.front.shape), tuple(downlink.momentum.shape))
        if got != expected:
            raise WireError(
                f"server: {AveragedFront.schema}: expected front and momentum of {expected}, got "
                f"{got}; all parts of a federation must run with the same settings"
            )
        return downlink

    def _members(
        self,
        device: ExchangeDevice,
        seats: tuple[int, ...],
        fronts: ClientModels,
        state: MocoSFLClientState,
        received: AveragedFront,
    ) -> Members:
        settings = self.settings
        momentum = received.momentum[0] if settings.average_momentum else None
        if settings.frozen:
            models = frozen_models(received.front, len(seats), device.torch_device)
        else:
            rows = torch.tensor(rows_of(device, seats))
            models = state.models(rows, received.front, momentum, device.torch_device)
        clients = [device.clients[row] for row in rows_of(device, seats)]
        total = device.settings.rounds * steps_per_round(settings)
        return Members(clients, fronts, models, settings, device.link.plan.batch, total)

    def _brought_home(
        self,
        device: ExchangeDevice,
        state: MocoSFLClientState,
        cohorts: Mapping[int, Members],
        num_parameters: int,
    ) -> Trained[Fronts]:
        """Keep what stays on the device and pack what leaves it, by client."""
        empty = torch.zeros(0, num_parameters)
        if self.settings.frozen or not cohorts:
            return Trained(Fronts(empty, empty, torch.zeros(0, dtype=torch.int64)), {})
        seats = seated(device)
        for cohort, members in cohorts.items():
            state.keep(torch.tensor(rows_of(device, seats[cohort])), members.models)
        clients = torch.tensor([client for cohort in cohorts for client in seats[cohort]])
        order = clients.argsort()
        fronts = torch.cat([members.models.online.detach().cpu() for members in cohorts.values()])
        momentum = torch.cat([members.models.momentum.cpu() for members in cohorts.values()])
        averaged = momentum[order] if self.settings.average_momentum else empty
        norms = [members.gradient_norm for members in cohorts.values()]
        losses = {"gradient_norm": sum(norms) / len(norms)}
        return Trained(Fronts(fronts[order], averaged, clients[order]), losses)

    def _survey(
        self, device: ExchangeDevice, client: Device, fronts: ClientModels, vector: Tensor
    ) -> None:
        fraction = self.settings.holdout_fraction
        bank, holdout = bank_and_holdout(
            len(client.train), fraction, client.settings.seed, client.partition
        )
        parts: dict[Split, Samples] = {
            "bank": Samples(client.train.inputs[bank], client.train.labels[bank]),
            "holdout": Samples(client.train.inputs[holdout], client.train.labels[holdout]),
            "test": client.test,
        }
        for split, samples in parts.items():
            send_samples(device, client.partition, split, samples, fronts, vector)
