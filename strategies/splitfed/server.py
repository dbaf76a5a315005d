"""The server half of SplitFed: the rest of the network, and the mean of the clients' parts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median_low
from typing import final

import torch
from torch import Tensor, nn

from strategies.common.averaging import average
from strategies.common.magnitudes import SLACK, Size, sizes_of
from strategies.common.presentation import Presentation, Setting
from strategies.common.round import Aggregated, Reply
from strategies.common.split.batches import steps_per_pass
from strategies.common.split.client_models import check_clients
from strategies.common.split.halves import Assessment, SplitRound, SplitServerHalf
from strategies.common.split.networks.of_run import cut_shape
from strategies.common.split.networks.stacked import StackedModels
from strategies.common.split.plan import Plan, TrainingPlan, deal_cohorts
from strategies.common.split.pool import draw_pool, logical_clients
from strategies.common.split.wire.frames import FrameSpec
from strategies.splitfed.engine import SplitFedEngine
from strategies.splitfed.measured import LOSSES, MEASURED
from strategies.splitfed.network import split_classifier
from strategies.splitfed.settings import SplitFedSettings
from strategies.splitfed.wire import WIRE, SplitFedAverage, SplitFedModels, frame_spec

# A round is one pass over the largest client, as long as that holds at most so many times what is
# usual.
_MOST_PASSES = 20
# V2 has one server part for all: who comes first in a step learns through what it just was, the
# others through what the batches before theirs made of it. Honest client models have moved 125
# times as far as is typical, though, with batches of four, never by 2.3 times themselves.
V2_FRONT_SLACK = 4.0
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
class SplitFedServer(
    SplitServerHalf[
        SplitFedSettings, SplitFedServerState, SplitFedAverage, SplitFedModels, SplitFedEngine
    ]
):
    """Trains the server's part within rounds and averages the clients' parts after them."""

    wire = WIRE

    @classmethod
    def presentation(cls, settings: Mapping[str, Setting]) -> Presentation:
        """State how what it measures is drawn."""
        return Presentation(measured=MEASURED, losses=LOSSES)

    def start(self) -> SplitFedServerState:
        """Return a fresh network.

        Raises
        ------
        SettingsError
            If the network cannot be built or cut as the settings ask.
        """
        provided = self.provided
        network = split_classifier(provided.split, self.agreed.task, provided.run.seed)
        back = network.back.to(provided.device)
        front = StackedModels(network.front, batched=False).vector(network.front)
        rest = StackedModels(back, batched=False).num_parameters
        nothing = torch.tensor(0)
        return SplitFedServerState(back, torch.zeros(rest), front, nothing, nothing.clone())

    def broadcast(self, state: SplitFedServerState) -> SplitFedAverage:
        """Return the synchronised client model, the same for every node."""
        return SplitFedAverage(state.front)

    def plan(
        self, state: SplitFedServerState, round_number: int, nodes: Sequence[int]
    ) -> TrainingPlan:
        """Draw the pool uniformly, without replacement, from the clients that are there."""
        run, settings = self.provided.run, self.settings
        clients = logical_clients(nodes, run.clients_per_node)
        count = max(1, round(run.participation * len(clients)))
        pool = draw_pool(clients, count, run.seed, round_number)
        # V2 takes one client after another, over the whole pool.
        cohorts = 1 if settings.version == "v2" else self.provided.split.cohorts
        steps = settings.steps_per_round or steps_per_pass(int(state.largest), run.batch_size)
        return TrainingPlan(int(state.step) + 1, steps, run.batch_size, deal_cohorts(pool, cohorts))

    def frames(self, clients: tuple[int, ...], batch: int) -> FrameSpec:
        """Return what the frames of some clients hold: activations and labels."""
        return frame_spec(self.agreed, clients, batch)

    def engine(self, state: SplitFedServerState, plan: Plan) -> SplitFedEngine:
        """Return this half at work; the state changes when the round's replies are in."""
        return SplitFedEngine(
            state.back,
            state.velocity,
            cut_shape(self.provided.split, self.agreed.task).latent_shape,
            self.agreed.task.num_classes,
            plan,
            self.settings,
            self.provided.run.seed,
        )

    def check(
        self,
        state: SplitFedServerState,
        current: SplitRound[SplitFedEngine],
        reply: Reply[SplitFedModels],
    ) -> None:
        """Refuse models of other clients than the round's, and of more samples than there are.

        Raises
        ------
        WireError
            Naming expected and got.
        """
        check_clients(
            reply.partition, reply.uplink, current.plan, self.provided.run.clients_per_node
        )
        reply.check_counted()

    def magnitudes(
        self, state: SplitFedServerState, reply: Reply[SplitFedModels]
    ) -> Mapping[str, Size]:
        """Return how far the client models moved."""
        slack = V2_FRONT_SLACK if self.settings.version == "v2" else SLACK
        return sizes_of(reply.uplink, {"models": state.front}, slack=slack)

    def aggregate(
        self,
        state: SplitFedServerState,
        current: SplitRound[SplitFedEngine],
        replies: Sequence[Reply[SplitFedModels]],
    ) -> Aggregated:
        """Average the clients' parts by data size and, with copies, the server's likewise.

        Exactly the clients that replied count, in v1 also with their copies. Diagnostics are
        loss and accuracy on the batches met, and the clients that replied.
        """
        models: list[Tensor] = []
        samples: dict[int, int] = {}
        for sent in (reply.uplink for reply in replies):
            models.extend(sent.models)
            samples.update(zip(sent.clients.tolist(), sent.samples.tolist(), strict=True))
        state.step = torch.tensor(current.plan.step_numbers[-1])
        figures = {**current.engine.figures(), "clients": float(len(models))}
        if not models:
            return Aggregated(
                figures, ("splitfed: no client sent its model: nothing was averaged",)
            )
        state.front = average(models, list(samples.values()))
        weights, state.velocity = current.engine.mean(samples)
        StackedModels(state.back, batched=False).load(weights, state.back)
        # A client that claims more than others could ever hold must not make a round endless.
        most = _MOST_PASSES * median_low(samples.values())
        largest = min(most, max(samples.values()))
        state.largest = torch.tensor(max(int(state.largest), largest))
        return Aggregated(figures)

    def assess(
        self, state: SplitFedServerState, round_number: int, engine: SplitFedEngine
    ) -> Assessment:
        """Return each client's accuracy with the averaged network on its test samples."""
        hits = engine.hits()
        if hits is None:
            return Assessment({}, {}, Aggregated(notes=(_NOBODY_TESTED,)))
        return Assessment(hits.evaluations, hits.samples)
