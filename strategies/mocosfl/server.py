"""The server half of MocoSFL: contrast the pool's views, average client models, evaluate."""

from collections.abc import Mapping, Sequence
from math import isfinite
from pathlib import Path
from typing import final

from strategies.common.averaging import average
from strategies.common.errors import ModelError
from strategies.common.magnitudes import Size, sizes_of
from strategies.common.presentation import Presentation, Setting
from strategies.common.provided import Provided
from strategies.common.round import Aggregated, Phase, Reply
from strategies.common.samples import Samples
from strategies.common.split.client_models import check_clients
from strategies.common.split.halves import Assessment, SplitRound, SplitServerHalf
from strategies.common.split.networks.of_run import client_models, whole_network
from strategies.common.split.plan import Plan, TrainingPlan, deal_cohorts
from strategies.common.split.pool import draw_pool, logical_clients
from strategies.common.split.wire.frames import FrameSpec, Split
from strategies.mocosfl.assessment import Assessor
from strategies.mocosfl.cache import Recorder
from strategies.mocosfl.engine import MocoSFLEngine
from strategies.mocosfl.figures import collapse_notes, spread
from strategies.mocosfl.measured import LOSSES, MEASURED, PROBED
from strategies.mocosfl.settings import (
    MocoSFLSettings,
    is_symmetric,
    projection_dim,
    projection_hidden,
    sampling,
    steps_per_round,
)
from strategies.mocosfl.state import MocoSFLServerState, first_state
from strategies.mocosfl.taressfl.expert import Expert, load
from strategies.mocosfl.taressfl.structure import structure
from strategies.mocosfl.wire import FROZEN, WIRE, MocoSFLAverage, MocoSFLModels, frame_spec

# Clients' waves of step sizes are out of step: honest client models have moved 9.5 times as far as
# is typical, though never by four times themselves.
FRONT_SLACK = 4.0


@final
class MocoSFLServer(
    SplitServerHalf[
        MocoSFLSettings, MocoSFLServerState, MocoSFLAverage, MocoSFLModels, MocoSFLEngine
    ]
):
    """Holds all of the network but the client models, and learns without labels."""

    wire = WIRE

    def __init__(self, settings: MocoSFLSettings, provided: Provided) -> None:
        super().__init__(settings, provided)
        if settings.frozen:
            # Whether it suits the network is seen once clients have told their task.
            load(Path(settings.expert), None)

    @classmethod
    def presentation(cls, settings: Mapping[str, Setting]) -> Presentation:
        """State how what it measures is drawn."""
        return Presentation(measurement=PROBED, measured=MEASURED, losses=LOSSES)

    def phase(self, round_number: int) -> Phase:
        """Return the payloads; clients that are frozen upload nothing."""
        return FROZEN if self.settings.frozen else WIRE

    def resolved(self) -> Mapping[str, float | str]:
        """Return what settings of 0 or ``"auto"`` came to, where the clients do not matter."""
        return {
            "mocosfl.steps-per-round": steps_per_round(self.settings),
            "mocosfl.symmetric": "on" if is_symmetric(self.settings) else "off",
            "mocosfl.projection-hidden": projection_hidden(self.settings),
            "mocosfl.projection-dim": projection_dim(self.settings),
        }

    def start(self) -> MocoSFLServerState:
        """Return the network with the weights of the run's seed, or of the expert.

        Raises
        ------
        SettingsError
            If the network cannot be built so, or the expert is of another one.
        StoreError
            If the expert's file cannot be read.
        """
        provided = self.provided
        network = whole_network(provided.split, self.agreed.task, provided.run.seed)
        return first_state(
            self.settings,
            network,
            client_models(network, provided.split).vector(network.front),
            self._expert() if self.settings.frozen else None,
            provided.run.seed,
            provided.device,
        )

    def broadcast(self, state: MocoSFLServerState) -> MocoSFLAverage:
        """Return the synchronised client model, the same for every node."""
        return MocoSFLAverage(state.front, state.momentum_front)

    def plan(
        self, state: MocoSFLServerState, round_number: int, nodes: Sequence[int]
    ) -> TrainingPlan:
        """Draw the pool from the clients that are there, uniformly and without replacement."""
        run = self.provided.run
        present = logical_clients(nodes, run.clients_per_node)
        chosen = sampling(self.settings, len(present))
        pool = draw_pool(present, chosen.pool, run.seed, round_number)
        cohorts = deal_cohorts(pool, self.provided.split.cohorts)
        return self._steps_of(round_number, chosen.batch, cohorts)

    def frames(self, clients: tuple[int, ...], batch: int) -> FrameSpec:
        """Return what the frames of some logical clients hold: two views' activations."""
        return frame_spec(self.agreed, clients, batch)

    def engine(self, state: MocoSFLServerState, plan: Plan) -> MocoSFLEngine:
        """Return the contrast at work in one session, changing ``state`` in place."""
        # What is never replayed is not kept, and what is replayed is not kept twice.
        replayed = 0 < self.settings.cache_rounds < self.provided.run.rounds
        keeps = replayed and isinstance(plan, TrainingPlan) and bool(plan.pool)
        return MocoSFLEngine(
            state,
            plan,
            self.settings,
            self._total_steps,
            self.agreed.task.num_classes,
            Recorder() if keeps else None,
        )

    def check(
        self,
        state: MocoSFLServerState,
        current: SplitRound[MocoSFLEngine],
        reply: Reply[MocoSFLModels],
    ) -> None:
        """Refuse models of other clients than the pool's."""
        check_clients(
            reply.partition, reply.uplink, current.plan, self.provided.run.clients_per_node
        )

    def magnitudes(
        self, state: MocoSFLServerState, reply: Reply[MocoSFLModels]
    ) -> Mapping[str, Size]:
        """Return how far the client models moved, and the momentum models where they travel."""
        sent = {"models": state.front, "momentum": state.momentum_front}
        return sizes_of(reply.uplink, sent, slack=FRONT_SLACK)

    def aggregate(
        self,
        state: MocoSFLServerState,
        current: SplitRound[MocoSFLEngine],
        replies: Sequence[Reply[MocoSFLModels]],
    ) -> Aggregated:
        """Average the client models of exactly those that sent theirs, all weighted alike.

        Diagnostics are the session's means (``Figures.means``), ``key_spread`` (``spread``)
        of the memory, and ``client_divergence``: the mean distance of a client model from
        their average, eq. 4 of the paper over all parameters at once. Activations that are to
        be replayed are kept here.

        Raises
        ------
        ModelError
            If the server's part diverged.
        """
        if current.engine.recorder is not None:
            state.cache = current.engine.recorder.appended_to(state.cache)
        said = self._told(state, current.engine, current.number)
        if self.settings.frozen:
            first = current.number == 1
            return said.joined(self._expert().introduced(self.settings.expert)) if first else said
        sent = [reply.uplink for reply in replies]
        models = [row for own in sent for row in own.models]
        if not models:
            note = "mocosfl: no client model arrived; all clients go on from the last average"
            return said.joined(Aggregated(notes=(note,)))
        state.front = average(models)
        if state.momentum_front is not None:
            momentum = [own.momentum for own in sent if own.momentum is not None]
            state.momentum_front = average([row for rows in momentum for row in rows])
        distances = [float((model - state.front).norm()) for model in models]
        divergence = sum(distances) / len(distances)
        return said.joined(Aggregated({"client_divergence": divergence}))

    def replays(self, round_number: int) -> bool:
        """Tell whether clients have sent all that they are asked for."""
        return 0 < self.settings.cache_rounds < round_number

    def replay(self, state: MocoSFLServerState, round_number: int) -> Aggregated:
        """Learn from kept activations, with the cohorts and batches that they came with.

        Raises
        ------
        ModelError
            If the server's part diverged.
        StoreError
            If nothing was kept.
        """
        engine, cache = self.engine(state, self._steps_of(round_number, 1, ())), state.cache
        engine.replay_all(cache, self.provided.run.seed)
        said = self._told(state, engine, round_number)
        if cache is None or round_number != self.settings.cache_rounds + 1:
            return said
        return said.joined(Aggregated(notes=(cache.describe(),)))

    def assess(
        self, state: MocoSFLServerState, round_number: int, engine: MocoSFLEngine
    ) -> Assessment:
        """Evaluate the representation, more thoroughly after the last round."""
        run = self.provided.run
        at_the_end = round_number >= run.rounds
        return self._assessor.assess(state.online, engine.surveyed, at_the_end=at_the_end)

    def assess_inputs(self, surveyed: Mapping[int, Mapping[Split, Samples]]) -> Mapping[str, float]:
        """Say what the same classifiers make of inputs as they are."""
        return self._assessor.assess_inputs(surveyed)

    @property
    def _assessor(self) -> Assessor:
        run = self.provided.run
        return Assessor(self.settings, self.agreed.task.num_classes, run.seed)

    @property
    def _total_steps(self) -> int:
        return self.provided.run.rounds * steps_per_round(self.settings)

    def _steps_of(
        self, round_number: int, batch: int, cohorts: tuple[tuple[int, ...], ...]
    ) -> TrainingPlan:
        steps = steps_per_round(self.settings)
        return TrainingPlan((round_number - 1) * steps + 1, steps, batch, cohorts)

    def _expert(self) -> Expert:
        hidden, dim = projection_hidden(self.settings), projection_dim(self.settings)
        wanted = structure(self.provided.split, self.agreed.task, hidden, dim)
        return load(Path(self.settings.expert), wanted)

    def _told(
        self, state: MocoSFLServerState, engine: MocoSFLEngine, round_number: int
    ) -> Aggregated:
        """Say what the steps of a round came to; after the last one, forget what was kept."""
        if round_number == self.provided.run.rounds:
            state.cache = None
        numbers = engine.figures.means()
        if not numbers:
            return Aggregated()
        if not all(isfinite(value) for value in numbers.values()):
            raise ModelError(
                f"mocosfl: round {round_number}: the network diverged, its loss is "
                f"{numbers['loss']:g}; lower mocosfl.learning-rate and resume"
            )
        numbers["key_spread"] = spread(state.memory.keys())
        size, terms = len(state.memory.rows), 2 if is_symmetric(self.settings) else 1
        # Rows that the memory starts with are spread as no keys are.
        full = int(state.memory.written) >= size
        return Aggregated(numbers, collapse_notes(numbers, size, terms) if full else ())
