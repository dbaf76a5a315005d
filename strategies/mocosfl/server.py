"""The server half of MocoSFL: contrast the pool's views, average client models, evaluate."""

from collections.abc import Mapping, Sequence
from math import isfinite
from pathlib import Path
from typing import ClassVar, final

import torch
from torch import Tensor

from strategies.common import seeds
from strategies.common.compute import torch_device
from strategies.common.errors import ModelError, WireError
from strategies.common.method import Aggregated
from strategies.common.settings import RunSettings
from strategies.common.split.averaging import average
from strategies.common.split.engine import Engine
from strategies.common.split.frames import FrameSpec
from strategies.common.split.halves import Assessment, SplitServerHalf
from strategies.common.split.plan import Plan, deal_cohorts
from strategies.common.split.settings import SplitSettings
from strategies.common.task import Task
from strategies.common.wire import Payload
from strategies.mocosfl import automatic
from strategies.mocosfl.assessment import Assessor
from strategies.mocosfl.collapse import collapse_notes
from strategies.mocosfl.engine import MocoSFLEngine
from strategies.mocosfl.figures import spread
from strategies.mocosfl.frames import frame_spec
from strategies.mocosfl.network import build_network, client_models
from strategies.mocosfl.settings import MocoSFLSettings
from strategies.mocosfl.state import MocoSFLServerState, first_state
from strategies.mocosfl.taressfl.expert import Expert, load
from strategies.mocosfl.taressfl.structure import structure
from strategies.mocosfl.wire import AveragedFront, Fronts


@final
class MocoSFLServer(SplitServerHalf[MocoSFLServerState, AveragedFront, Fronts]):
    """Holds all of the network but the client models, and learns without labels.

    Parameters
    ----------
    settings : MocoSFLSettings
        How to learn.
    run : RunSettings
        Rounds, seed, device and when to evaluate.
    split : SplitSettings
        The network and where it is cut.
    """

    uplink: ClassVar[type[Payload] | None] = Fronts
    needs_generator: ClassVar[bool] = False

    def __init__(self, settings: MocoSFLSettings, run: RunSettings, split: SplitSettings) -> None:
        self._settings = settings
        self._run = run
        self._split = split
        self._device = torch_device(run.server_device)
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

    def start(self, task: Task) -> MocoSFLServerState:
        """Return the network with the weights of the run's seed, or of the expert.

        Raises
        ------
        SettingsError
            If the network cannot be built so, or the expert is of another one.
        StoreError
            If the expert's file cannot be read.
        """
        network = build_network(self._split, task, self._run.seed)
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

    def downlink(
        self,
        state: MocoSFLServerState,
        partition: int,  # noqa: ARG002
    ) -> AveragedFront:
        """Return the same client model for every node."""
        # One object for all nodes is packed for sending once.
        if self._last is None or self._last.front is not state.front:
            follower = state.momentum_front
            momentum = state.front.new_zeros(0, len(state.front)) if follower is None else follower
            self._last = AveragedFront(state.front, momentum.view(-1, len(state.front)))
        return self._last

    def plan(
        self,
        state: MocoSFLServerState,  # noqa: ARG002
        round_number: int,
        partitions: Sequence[int],
    ) -> Plan:
        """Draw the pool from the clients that are there, uniformly and without replacement."""
        present = self._clients(partitions)
        chosen = automatic.sampling(self._settings, len(present))
        randomness = seeds.generator(self._run.seed, "pool", round_number=round_number)
        drawn = torch.randperm(len(present), generator=randomness)[: chosen.pool]
        pool = tuple(present[place] for place in drawn.tolist())
        first = (round_number - 1) * self._steps + 1
        cohorts = deal_cohorts(pool, self._split.cohorts)
        self._plan = Plan(first, self._steps, chosen.batch, cohorts)
        return self._plan

    def survey_plan(
        self,
        state: MocoSFLServerState,  # noqa: ARG002
        round_number: int,
        partitions: Sequence[int],
    ) -> Plan | None:
        """Ask all clients that are there for samples, every so many rounds and at the end."""
        every = self._run.evaluate_every
        at_the_end = round_number == self._run.rounds
        if not at_the_end and not (every and round_number % every == 0):
            return None
        return Plan(round_number * self._steps + 1, 0, 1, (self._clients(partitions),))

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

    def engine(self, state: MocoSFLServerState, plan: Plan) -> Engine:
        """Return the contrast at work in one session, changing ``state`` in place."""
        engine = MocoSFLEngine(
            state, plan, self._settings, self._total_steps, self._known_task.num_classes
        )
        if plan.steps:
            self._training = engine
        return engine

    def check(self, partition: int, uplink: Fronts) -> None:
        """Refuse client models of other clients than the pool's, or of another network.

        Raises
        ------
        WireError
            Naming field, expected and got.
        """
        where = f"client {partition}: {Fronts.schema}"
        own = self._plan.seats(partition, self._run.clients_per_node)
        expected = sorted(client for cohort in own for client in cohort)
        if self._settings.frozen:
            expected = []
        if uplink.clients.tolist() != expected:
            raise WireError(f"{where}.clients: expected {expected}, got {uplink.clients.tolist()}")
        followers = len(expected) if self._settings.average_momentum else 0
        for name, tensor, rows in (
            ("fronts", uplink.fronts, len(expected)),
            ("momentum", uplink.momentum, followers),
        ):
            if tuple(tensor.shape) != (rows, self._num_parameters):
                raise WireError(
                    f"{where}.{name}: expected ({rows}, {self._num_parameters}), got "
                    f"{tuple(tensor.shape)}"
                )
            if not bool(torch.isfinite(tensor).all()):
                raise WireError(f"{where}.{name}: expected finite values, got NaN or infinity")

    def aggregate(
        self,
        state: MocoSFLServerState,
        round_number: int,
        uplinks: Mapping[int, Fronts],
    ) -> Aggregated:
        """Average the client models of exactly those that sent theirs, all weighted alike.

        Diagnostics are the session's means (``Figures.means``), ``key_spread`` (``spread``)
        of the memory, and ``client_divergence``: the mean distance of a client model from
        their average, eq. 4 of the paper over all parameters at once.

        Raises
        ------
        ModelError
            If the server's part diverged.
        """
        numbers = self._session_numbers(state, round_number)
        notes: tuple[str, ...] = ()
        # Rows that the memory starts with are spread as no keys are.
        if int(state.memory.written) >= len(state.memory.rows):
            notes = collapse_notes(numbers, len(state.memory.rows), self._terms)
        if self._settings.frozen:
            return Aggregated(numbers, notes).joined(self._told_of_expert(round_number))
        fronts = _by_client(uplinks, [uplink.fronts for uplink in uplinks.values()])
        if not fronts:
            note = "mocosfl: no client model arrived; all clients go on from the last average"
            return Aggregated(numbers, (*notes, note))
        state.front = average(fronts)
        if self._settings.average_momentum:
            momentum = [uplink.momentum for uplink in uplinks.values()]
            state.momentum_front = average(_by_client(uplinks, momentum))
        distances = [float((front - state.front).norm()) for front in fronts.values()]
        numbers["client_divergence"] = sum(distances) / len(distances)
        return Aggregated(numbers, notes)

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

    def _clients(self, partitions: Sequence[int]) -> tuple[int, ...]:
        carried = self._run.clients_per_node
        return tuple(node * carried + own for node in sorted(partitions) for own in range(carried))

    def _load_expert(self, task: Task) -> Expert:
        settings = self._settings
        wanted = structure(
            self._split,
            task,
            automatic.projection_hidden(settings),
            automatic.projection_dim(settings),
        )
        return load(Path(settings.expert), wanted)

    def _told_of_expert(self, round_number: int) -> Aggregated:
        """Say once in a run what attackers made of the expert."""
        if self._expert is None or round_number != 1:
            return Aggregated()
        verdict = self._expert.description.verdict
        note = f"mocosfl.expert {self._settings.expert}: {verdict.describe()}"
        return Aggregated(notes=() if verdict.resistant else (note,), pictures=self._expert.drawn())

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


def _by_client(uplinks: Mapping[int, Fronts], models: Sequence[Tensor]) -> dict[int, Tensor]:
    """Return one row of the uplinks' models for each logical client."""
    pairs = zip(uplinks.values(), models, strict=True)
    return {
        client: row
        for uplink, rows in pairs
        for client, row in zip(uplink.clients.tolist(), rows, strict=True)
    }
