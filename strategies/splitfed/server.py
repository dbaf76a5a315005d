"""The server half of SplitFed: the rest of the network, and the mean of the clients' parts."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor, nn

from strategies.common.errors import ExchangeError, WireError
from strategies.common.provided import Provided
from strategies.common.round import Aggregated, Reply
from strategies.common.split.averaging import average
from strategies.common.split.batches import steps_per_pass
from strategies.common.split.engine import Engine
from strategies.common.split.halves import Assessment, SplitServerHalf
from strategies.common.split.networks.fronts import Fronts
from strategies.common.split.plan import Plan, deal_cohorts
from strategies.common.split.pool import draw_pool, logical_clients
from strategies.common.split.wire.frames import FrameSpec
from strategies.splitfed.engine import SplitFedEngine
from strategies.splitfed.network import split_classifier
from strategies.splitfed.settings import SplitFedSettings
from strategies.splitfed.wire import WIRE, AveragedFront, TrainedFronts, frame_spec

_NOBODY_TESTED = "splitfed: no client sent samples to evaluate; see why each of them failed"


@final
@dataclass
class SplitFedServerState:
    """What survives a round.

    Attributes
    ----------
    back : nn.Module
        The server's part of the network.
    velocity : Tensor
        (server parameters,) its momentum buffer.
    front : Tensor
        (parameters,) the synchronised client model.
    step : Tensor
        () int64; steps taken so far.
    largest : Tensor
        () int64; training samples of the largest client that has told them; 0 before.
    """

    back: nn.Module
    velocity: Tensor
    front: Tensor
    step: Tensor
    largest: Tensor


@final
@dataclass(frozen=True)
class _Built:
    """What of the network no settings tell."""

    num_classes: int
    latent_shape: tuple[int, ...]
    num_parameters: int


@final
class SplitFedServer(
    SplitServerHalf[SplitFedSettings, SplitFedServerState, AveragedFront, TrainedFronts]
):
    """Trains the server's part within rounds and averages the clients' parts after them.

    Parameters
    ----------
    settings : SplitFedSettings
        How to learn.
    provided : Provided
        Gives the run and the network that is split.
    """

    wire = WIRE

    def __init__(self, settings: SplitFedSettings, provided: Provided) -> None:
        super().__init__(settings, provided)
        self._settings = settings
        self._run = provided.run
        self._split = provided.split
        self._device = provided.device
        self._built: _Built | None = None
        # The round's engine holds what the round's replies complete.
        self._session: SplitFedEngine | None = None
        self._last: AveragedFront | None = None

    def start(self) -> SplitFedServerState:
        """Return a fresh network.

        Raises
        ------
        SettingsError
            If the network cannot be built or cut as the settings ask.
        """
        task = self.agreed.task
        network = split_classifier(self._split, task, self._run.seed)
        back = network.back.to(self._device)
        front = Fronts(network.front, batched=False).vector(network.front)
        rest = Fronts(back, batched=False).num_parameters
        self._built = _Built(task.num_classes, network.latent_shape, len(front))
        nothing = torch.tensor(0)
        return SplitFedServerState(back, torch.zeros(rest), front, nothing, nothing.clone())

    def broadcast(self, state: SplitFedServerState) -> AveragedFront:
        """Return the synchronised client model, the same for every node."""
        # One object for all nodes is packed for sending once.
        if self._last is None or self._last.front is not state.front:
            self._last = AveragedFront(state.front)
        return self._last

    def plan(
        self, state: SplitFedServerState, round_number: int, partitions: Sequence[int]
    ) -> Plan:
        """Draw the pool uniformly, without replacement, from the clients that are there."""
        clients = logical_clients(partitions, self._run.clients_per_node)
        count = max(1, round(self._run.participation * len(clients)))
        pool = draw_pool(clients, count, self._run.seed, round_number)
        # V2 takes one client after another, over the whole pool.
        cohorts = 1 if self._settings.version == "v2" else self._split.cohorts
        first = int(state.step) + 1
        return Plan(first, self._steps(state), self._run.batch_size, deal_cohorts(pool, cohorts))

    def survey_plan(
        self, state: SplitFedServerState, round_number: int, partitions: Sequence[int]
    ) -> Plan | None:
        """Evaluate every ``evaluate-every`` rounds, and after the last one in any case."""
        if not self._run.is_evaluated(round_number):
            return None
        clients = logical_clients(partitions, self._run.clients_per_node)
        return Plan(int(state.step) + 1, 0, self._run.batch_size, (clients,))

    def frames(self, plan: Plan, clients: tuple[int, ...]) -> FrameSpec:
        """Return what the frames of some clients hold: activations and labels."""
        built = self._network()
        return frame_spec(plan, clients, built.latent_shape, built.num_classes, self._split)

    def engine(self, state: SplitFedServerState, plan: Plan) -> SplitFedEngine:
        """Return this half at work; the state changes when the round's replies are in."""
        engine = SplitFedEngine(
            state.back,
            state.velocity,
            self._network().latent_shape,
            self._network().num_classes,
            plan,
            self._settings,
            self._run.seed,
        )
        if plan.steps:
            self._session = engine
        return engine

    def check(self, state: SplitFedServerState, reply: Reply[TrainedFronts]) -> None:
        """Refuse models of another network or other clients than the round's.

        Raises
        ------
        WireError
            Naming what was expected.
        """
        partition, uplink = reply.partition, reply.uplink
        seats = self._current().plan.seats(partition, self._run.clients_per_node)
        clients = sorted(client for cohort in seats for client in cohort)
        where = f"client {partition}: {TrainedFronts.schema}"
        if uplink.clients.tolist() != clients:
            raise WireError(
                f"{where}.clients: expected {clients}, got {uplink.clients.tolist()}; server and "
                f"devices must run with the same clients-per-node"
            )
        expected = (len(clients), self._network().num_parameters)
        if uplink.fronts.shape != expected:
            raise WireError(
                f"{where}.fronts: expected {expected}, got {tuple(uplink.fronts.shape)}"
            )
        if int(uplink.samples.min()) < 1:
            raise WireError(
                f"{where}.samples: expected at least 1 of every client, got "
                f"{uplink.samples.tolist()}"
            )

    def aggregate(
        self,
        state: SplitFedServerState,
        round_number: int,
        replies: Sequence[Reply[TrainedFronts]],
    ) -> Aggregated:
        """Average the clients' parts by data size and, with copies, the server's likewise.

        Exactly the clients that replied count, in v1 also with their copies. Diagnostics are
        loss and accuracy on the batches met, and the clients that replied.
        """
        session, self._session = self._current(), None
        fronts: dict[int, Tensor] = {}
        samples: dict[int, int] = {}
        for uplink in (reply.uplink for reply in replies):
            fronts.update(zip(uplink.clients.tolist(), uplink.fronts, strict=True))
            samples.update(zip(uplink.clients.tolist(), uplink.samples.tolist(), strict=True))
        state.step = torch.tensor(session.plan.first_step + session.plan.steps - 1)
        figures = {**session.figures(), "clients": float(len(fronts))}
        if not fronts:
            return Aggregated(
                figures, ("splitfed: no client sent its model: nothing was averaged",)
            )
        state.front = average(fronts, samples)
        weights, velocity = session.mean(samples)
        Fronts(state.back, batched=False).load(weights, state.back)
        state.velocity = velocity
        state.largest = torch.tensor(max(int(state.largest), *samples.values()))
        return Aggregated(figures)

    def assess(self, state: SplitFedServerState, engine: Engine) -> Assessment:
        """Return each client's accuracy with the averaged network on its test samples."""
        if not isinstance(engine, SplitFedEngine):
            raise TypeError(f"splitfed: expected its own engine, got a {type(engine).__name__}")
        hits = engine.hits()
        if hits is None:
            return Assessment({}, {}, Aggregated(notes=(_NOBODY_TESTED,)))
        return Assessment(hits.evaluations, hits.samples)

    def _steps(self, state: SplitFedServerState) -> int:
        if self._settings.steps_per_round:
            return self._settings.steps_per_round
        return steps_per_pass(int(state.largest), self._run.batch_size)

    def _network(self) -> _Built:
        if self._built is None:
            raise ExchangeError("splitfed: expected a network before the first session, got none")
        return self._built

    def _current(self) -> SplitFedEngine:
        if self._session is None:
            raise ExchangeError("splitfed: expected a session before its replies, got none")
        return self._session
