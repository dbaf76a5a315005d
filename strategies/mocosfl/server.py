"""The server half of MocoSFL: contrast the pool's views, average client models, evaluate."""

from collections.abc import Mapping, Sequence
from math import isfinite
from pathlib import Path
from typing import final

from strategies.common.errors import ModelError
from strategies.common.provided import Provided
from strategies.common.round import Aggregated, Reply
from strategies.common.split.engine import Engine
from strategies.common.split.halves import Assessment, SplitServerHalf
from strategies.common.split.networks.of_run import client_models, whole_network
from strategies.common.split.plan import Plan, deal_cohorts
from strategies.common.split.pool import draw_pool, logical_clients
from strategies.common.split.wire.frames import FrameSpec
from strategies.common.task import Task
from strategies.mocosfl import automatic
from strategies.mocosfl.assessment import Assessor
from strategies.mocosfl.cache import Recorder
from strategies.mocosfl.checks import check_fronts
from strategies.mocosfl.collapse import collapse_notes
from strategies.mocosfl.engine import MocoSFLEngine
from strategies.mocosfl.figures import spread
from strategies.mocosfl.frames import frame_spec
from strategies.mocosfl.replay import replay, replay_note
from strategies.mocosfl.settings import MocoSFLSettings
from strategies.mocosfl.state import MocoSFLServerState, first_state
from strategies.mocosfl.synchronisation import synchronise
from strategies.mocosfl.taressfl.expert import Expert, load
from strategies.mocosfl.taressfl.structure import structure
from strategies.mocosfl.wire import WIRE, AveragedFront, Fronts


@final
class MocoSFLServer(SplitServerHalf[MocoSFLSettings, MocoSFLServerState, AveragedFront, Fronts]):
    """Holds all of the network but the client models, and learns without labels.

    Parameters
    ----------
    settings : MocoSFLSettings
        How to learn.
    provided : Provided
        Gives the run and the network that is split.
    """

    wire = WIRE

    def __init__(self, settings: MocoSFLSettings, provided: Provided) -> None:
        super().__init__(settings, provided)
        self._settings = settings
        self._run = provided.run
        self._split = provided.split
        self._device = provided.device
        self._steps = automatic.steps_per_round(settings)
        self._terms = 2 if automatic.is_symmetric(settings) else 1
        # What a state's shapes are, once the task is known.
        self._task: Task | None = None
        self._latent_shape: tuple[int, ...] = ()
        self._num_parameters = 0
        self._expert: Expert | None = None
        # The round under way.
        self._plan = Plan(1, 0, 1, ())
        self._training: MocoSFLEngine | None = None
        self._last: AveragedFront | None = None

    def resolved(self) -> Mapping[str, float | str]:
        """Return what settings of 0 or ``"auto"`` came to, where the clients do not matter."""
        settings = self._settings
        return {
            "mocosfl.steps-per-round": self._steps,
            "mocosfl.symmetric": "on" if automatic.is_symmetric(settings) else "off",
            "mocosfl.projection-hidden": automatic.projection_hidden(settings),
            "mocosfl.projection-dim": automatic.projection_dim(settings),
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
        task = self.agreed.task
        network = whole_network(self._split, task, self._run.seed)
        fronts = client_models(network, self._split)
        self._task = task
        self._latent_shape = network.latent_shape
        self._num_parameters = fronts.num_parameters
        if self._settings.frozen:
            self._expert = self._load_expert(task)
        return first_state(
            self._settings,
            network,
            fronts.vector(network.front),
            self._expert,
            self._run.seed,
            self._device,
        )

    def broadcast(self, state: MocoSFLServerState) -> AveragedFront:
        """Return the same client model for every node."""
        # One object for all nodes is packed for sending once.
        if self._last is None or self._last.front is not state.front:
            follower = state.momentum_front
            momentum = state.front.new_zeros(0, len(state.front)) if follower is None else follower
            self._last = AveragedFront(state.front, momentum.view(-1, len(state.front)))
        return self._last

    def replays(self, round_number: int) -> bool:
        """Tell whether clients have sent all that they are asked for."""
        return 0 < self._settings.cache_rounds < round_number

    def plan(
        self,
        state: MocoSFLServerState,
        round_number: int,
        partitions: Sequence[int],
    ) -> Plan:
        """Draw the pool from the clients that are there, uniformly and without replacement.

        A round that is replayed has no pool; its cohorts and batches are those of kept steps.
        """
        first = (round_number - 1) * self._steps + 1
        if self.replays(round_number):
            return Plan(first, self._steps, 1, ())
        present = logical_clients(partitions, self._run.clients_per_node)
        chosen = automatic.sampling(self._settings, len(present))
        pool = draw_pool(present, chosen.pool, self._run.seed, round_number)
        cohorts = deal_cohorts(pool, self._split.cohorts)
        self._plan = Plan(first, self._steps, chosen.batch, cohorts)
        return self._plan

    def survey_plan(
        self,
        state: MocoSFLServerState,
        round_number: int,
        partitions: Sequence[int],
    ) -> Plan | None:
        """Ask all clients that are there for samples, every so many rounds and at the end."""
        if not self._run.is_evaluated(round_number):
            return None
        everyone = logical_clients(partitions, self._run.clients_per_node)
        return Plan(round_number * self._steps + 1, 0, 1, (everyone,))

    def frames(self, plan: Plan, clients: tuple[int, ...]) -> FrameSpec:
        """Return what the frames of some logical clients hold: two views' activations."""
        return frame_spec(
            plan,
            clients,
            self._latent_shape,
            self._known_task.num_classes,
            self._split,
            frozen=self._settings.frozen,
        )

    def engine(self, state: MocoSFLServerState, plan: Plan) -> MocoSFLEngine:
        """Return the contrast at work in one session, changing ``state`` in place."""
        # What is never replayed is not kept, and what is replayed is not kept twice.
        keeps = bool(plan.pool) and 0 < self._settings.cache_rounds < self._run.rounds
        engine = MocoSFLEngine(
            state,
            plan,
            self._settings,
            self._total_steps,
            self._known_task.num_classes,
            Recorder() if plan.steps and keeps else None,
        )
        if plan.steps:
            self._training = engine
        return engine

    def check(self, state: MocoSFLServerState, reply: Reply[Fronts]) -> None:
        """Refuse client models of other clients than the pool's, or of another network.

        Raises
        ------
        WireError
            Naming field, expected and got.
        """
        partition, uplink = reply.partition, reply.uplink
        seats = self._plan.seats(partition, self._run.clients_per_node)
        own = () if self._settings.frozen else sorted(c for cohort in seats for c in cohort)
        averaged = self._settings.average_momentum
        check_fronts(uplink, partition, own, self._num_parameters, followers=averaged)

    def aggregate(
        self,
        state: MocoSFLServerState,
        round_number: int,
        replies: Sequence[Reply[Fronts]],
    ) -> Aggregated:
        """Average the client models of exactly those that sent theirs, all weighted alike.

        Diagnostics are the session's means (``Figures.means``), ``key_spread`` (``spread``)
        of the memory, and ``client_divergence``: the mean distance of a client model from
        their average, eq. 4 of the paper over all parameters at once.

        Activations that are to be replayed are kept here; in a round without clients they are
        learnt from here.

        Raises
        ------
        ModelError
            If the server's part diverged.
        StoreError
            If a round is to be replayed and nothing was kept.
        """
        cached = self._kept_or_replayed(state, round_number)
        numbers = self._session_numbers(state, round_number)
        notes: tuple[str, ...] = ()
        # Rows that the memory starts with are spread as no keys are.
        if int(state.memory.written) >= len(state.memory.rows):
            notes = collapse_notes(numbers, len(state.memory.rows), self._terms)
        if self._expert is not None:
            said = Aggregated(numbers, (*notes, *cached))
            first = round_number == 1
            return said.joined(self._expert.introduced(self._settings.expert)) if first else said
        divergence = synchronise(state, {reply.partition: reply.uplink for reply in replies})
        if divergence is None:
            note = "mocosfl: no client model arrived; all clients go on from the last average"
            return Aggregated(numbers, (*notes, note))
        return Aggregated({**numbers, "client_divergence": divergence}, notes)

    def assess(self, state: MocoSFLServerState, engine: Engine) -> Assessment:
        """Evaluate the representation, more thoroughly after the last round.

        Raises
        ------
        TypeError
            If the engine is none of this half's.
        """
        if not isinstance(engine, MocoSFLEngine):
            raise TypeError(f"expected an engine of MocoSFL, got {type(engine).__name__}")
        assessor = Assessor(self._settings, self._known_task.num_classes, self._run.seed)
        at_the_end = engine.plan.first_step > self._total_steps
        return assessor.assess(state.online, engine.surveyed, at_the_end=at_the_end)

    @property
    def _total_steps(self) -> int:
        return self._run.rounds * self._steps

    @property
    def _known_task(self) -> Task:
        if self._task is None:
            raise RuntimeError("the server half was asked to work before it was started")
        return self._task

    def _load_expert(self, task: Task) -> Expert:
        settings = self._settings
        wanted = structure(
            self._split,
            task,
            automatic.projection_hidden(settings),
            automatic.projection_dim(settings),
        )
        return load(Path(settings.expert), wanted)

    def _kept_or_replayed(self, state: MocoSFLServerState, round_number: int) -> tuple[str, ...]:
        """Keep what the session brought, or learn from what is kept; say so once."""
        notes: tuple[str, ...] = ()
        if self.replays(round_number):
            engine, cache = self.engine(state, self.plan(state, round_number, ())), state.cache
            replay(engine, cache, self._run.seed)
            if cache is not None and round_number == self._settings.cache_rounds + 1:
                notes = (replay_note(cache),)
        elif self._training is not None and self._training.recorder is not None:
            state.cache = self._training.recorder.appended_to(state.cache)
            self._training.recorder = None
        if round_number == self._run.rounds:
            state.cache = None
        return notes

    def _session_numbers(self, state: MocoSFLServerState, round_number: int) -> dict[str, float]:
        numbers = {} if self._training is None else self._training.figures.means()
        if not numbers:
            return {}
        if not all(isfinite(value) for value in numbers.values()):
            raise ModelError(
                f"mocosfl: round {round_number}: the network diverged, its loss is "
                f"{numbers['loss']:g}; lower mocosfl.learning-rate and resume"
            )
        return {**numbers, "key_spread": spread(state.memory.keys())}
