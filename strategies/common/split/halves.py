"""The contract of a split method: activations are exchanged within a round."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, TypeVar, cast, final

from torch import Tensor

from strategies.common.agreed import Need
from strategies.common.device import Device, ExchangeDevice
from strategies.common.errors import ExchangeError
from strategies.common.magnitudes import Size, sizes_of
from strategies.common.method import (
    ClientHalf,
    Downlink,
    MethodSettings,
    ServerHalf,
    State,
    Uplink,
)
from strategies.common.round import Aggregated, Evaluation, Reply, Trained
from strategies.common.samples import Samples
from strategies.common.split.client_models import AveragedModel
from strategies.common.split.engine import Engine
from strategies.common.split.lockstep import run_lanes
from strategies.common.split.members import AnyMembers, Learnt, rows_of, seated
from strategies.common.split.networks.joined import JoinedNetwork
from strategies.common.split.networks.of_run import client_models, client_part
from strategies.common.split.networks.stacked import StackedModels
from strategies.common.split.plan import Plan, SurveyPlan, TrainingPlan
from strategies.common.split.pool import logical_clients
from strategies.common.split.surveying import send_samples
from strategies.common.split.wire.frames import FrameSpec, Split
from strategies.common.tested import Tested

Averaged = TypeVar("Averaged", bound=AveragedModel)
AnyEngine = TypeVar("AnyEngine", bound=Engine)


@final
@dataclass(frozen=True)
class Assessment:
    """How the global model does, as the server measured it.

    Attributes
    ----------
    evaluations : Mapping[int, Evaluation]
        By logical client, on the samples that it sent for testing.
    test_samples : Mapping[int, int]
        Test samples by logical client.
    said : Aggregated
        Diagnostics, notes and pictures for the journal.
    """

    evaluations: Mapping[int, Evaluation]
    test_samples: Mapping[int, int]
    said: Aggregated = field(default_factory=Aggregated)


class SplitClientHalf(
    ClientHalf[MethodSettings, ExchangeDevice, State, Averaged, Uplink],
    Generic[MethodSettings, State, Averaged, Uplink, AnyMembers],
):
    """What a split method does on a node, for all the clients that it carries."""

    needs: ClassVar[frozenset[Need]] = frozenset({Need.SPLIT})
    tested: ClassVar[Tested] = Tested.BY_SERVER

    @classmethod
    def tells_class_counts(cls, settings: MethodSettings) -> str:  # noqa: ARG003
        """Say that labels travel: at the latest after the last round, with what is tested."""
        return (
            "clients send the server the class of every sample that it tests with; choose a method "
            "whose clients test themselves, e.g. fd"
        )

    @abstractmethod
    def frames(self, clients: tuple[int, ...], batch: int) -> FrameSpec:
        """Return what the frames of some logical clients hold; the server half agrees."""

    @abstractmethod
    def members(
        self,
        device: ExchangeDevice,
        state: State,
        downlink: Averaged,
        models: StackedModels,
        rows: Sequence[int],
    ) -> AnyMembers:
        """Return the clients of one cohort at work.

        Parameters
        ----------
        device : ExchangeDevice
            The node.
        state : State
            Left as it is.
        downlink : Averaged
            The synchronised client model.
        models : StackedModels
            Computes client models.
        rows : Sequence[int]
            Which of the node's clients, ascending.

        Raises
        ------
        StoreError
            If the state was stored under other settings.
        """

    @abstractmethod
    def bring_home(
        self,
        device: ExchangeDevice,
        state: State,
        rows: Sequence[int],
        learnt: Learnt[AnyMembers],
    ) -> tuple[Uplink | None, Mapping[str, float]]:
        """Keep what stays on the device; return what leaves it, and losses for the journal.

        Parameters
        ----------
        device : ExchangeDevice
            The node.
        state : State
            Changed in place.
        rows : Sequence[int]
            Which of the node's clients learnt, ascending.
        learnt : Learnt
            What they did.
        """

    @abstractmethod
    def joined(self, server: Mapping[str, Tensor]) -> JoinedNetwork:
        """Return the whole network, for whoever takes it away.

        Parameters
        ----------
        server : Mapping[str, Tensor]
            State of the server half, as its checkpoint has it.

        Raises
        ------
        ModelError, StoreError
            If the parts cannot be joined.
        """

    def surveyed(self, client: Device) -> Mapping[Split, Samples]:
        """Return what a client sends for evaluation, as it is; by default its test samples."""
        return {"test": client.test}

    def train(
        self, device: ExchangeDevice, state: State, downlink: Averaged | None
    ) -> Trained[Uplink]:
        """Exchange activations for gradients through the whole session.

        Raises
        ------
        WireError
            If the server sent no client model.
        StoreError
            If the state was stored under other settings.
        ExchangeError
            If the node has no client in the session, or the server cannot be reached or does
            not answer in time.
        """
        averaged, models, plan = self._received(downlink), self._models(device), device.link.plan
        seats = seated(device)
        if not seats:
            raise ExchangeError(
                f"node {device.partition}: expected a session of clients that it carries, got one "
                f"of {list(plan.pool)}; server and devices must run with the same clients-per-node"
            )
        cohorts = {
            cohort: self.members(device, state, averaged, models, rows_of(device, clients))
            for cohort, clients in seats.items()
        }
        lanes = {
            cohort: device.link.lane(cohort, self.frames(clients, plan.batch))
            for cohort, clients in seats.items()
        }
        exchanged = run_lanes(plan, lanes, cohorts)
        learnt = Learnt(list(cohorts.values()))
        rows = rows_of(device, learnt.clients.tolist())
        uplink, losses = self.bring_home(device, state, rows, learnt)
        steps = {"steps": float(exchanged.taken), "skipped_steps": float(exchanged.skipped)}
        return Trained(uplink, losses, steps)

    def evaluate(self, device: ExchangeDevice, state: State, downlink: Averaged | None) -> None:  # noqa: ARG002
        """Send the server what it evaluates, through the synchronised client model.

        Raises
        ------
        WireError
            If the server sent no client model.
        ExchangeError
            If the server cannot be reached or does not answer in time.
        """
        averaged, models = self._received(downlink), self._models(device)
        model = averaged.model.to(device.torch_device)
        for clients in seated(device).values():
            for row in rows_of(device, clients):
                client = device.clients[row]
                for split, samples in self.surveyed(client).items():
                    send_samples(device, client.partition, split, samples, models, model)

    def _models(self, device: ExchangeDevice) -> StackedModels:
        split = self.provided.split
        return client_models(client_part(split, device.task, device.settings.seed), split)

    def _received(self, downlink: Averaged | None) -> Averaged:
        return cast(type[Averaged], self.wire.down).required(downlink)


@final
@dataclass(frozen=True)
class SplitRound(Generic[AnyEngine]):
    """What holds for one round, from its first activations to its synchronisation.

    Attributes
    ----------
    number : int
        Which round, from 1.
    plan : TrainingPlan
        Its session.
    engine : AnyEngine
        The server half at work in it.
    """

    number: int
    plan: TrainingPlan
    engine: AnyEngine


class SplitServerHalf(
    ServerHalf[MethodSettings, State, Downlink],
    Generic[MethodSettings, State, Downlink, Uplink, AnyEngine],
):
    """What a split method does on the server.

    Within a round, clients exchange activations with an engine of this half; the reply that
    ends the round carries the clients' weights, which ``aggregate`` synchronises.
    """

    needs: ClassVar[frozenset[Need]] = frozenset({Need.SPLIT})
    tested: ClassVar[Tested] = Tested.BY_SERVER

    @abstractmethod
    def plan(self, state: State, round_number: int, nodes: Sequence[int]) -> TrainingPlan:
        """Choose the pool of a round among the nodes that are there.

        Parameters
        ----------
        state : State
            As after the last round.
        round_number : int
            Which round, from 1.
        nodes : Sequence[int]
            Nodes that are there, ascending.
        """

    def survey_plan(self, round_number: int, nodes: Sequence[int]) -> SurveyPlan | None:
        """Return the plan of the evaluation after a round, or ``None`` for no evaluation.

        By default all clients that are there are asked, every so many rounds and at the end.
        """
        run = self.provided.run
        if not run.is_evaluated(round_number):
            return None
        return SurveyPlan(logical_clients(nodes, run.clients_per_node))

    @abstractmethod
    def frames(self, clients: tuple[int, ...], batch: int) -> FrameSpec:
        """Return what the frames of some logical clients hold; the client half agrees."""

    @abstractmethod
    def engine(self, state: State, plan: Plan) -> AnyEngine:
        """Return this half at work in one session, changing ``state`` in place."""

    def check(self, state: State, current: SplitRound[AnyEngine], reply: Reply[Uplink]) -> None:
        """Refuse an upload that fits its payload but not the round; by default accept all.

        Raises
        ------
        WireError
            Naming field, expected and got; the node then counts as failed.
        """

    def magnitudes(self, state: State, reply: Reply[Uplink]) -> Mapping[str, Size]:  # noqa: ARG002
        """Return how large an upload is, by field, to be compared with the round's others.

        By default the size of every floating-point field in itself. Client models had better
        count by how far they moved: ``sizes_of(reply.uplink, {"models": state.front})``.
        """
        return sizes_of(reply.uplink)

    @abstractmethod
    def aggregate(
        self, state: State, current: SplitRound[AnyEngine], replies: Sequence[Reply[Uplink]]
    ) -> Aggregated:
        """Synchronise from the replies that carry an upload, changing ``state`` in place.

        They are sorted by node; there may be none.
        """

    def replays(self, round_number: int) -> bool:  # noqa: ARG002
        """Tell whether the server learns in a round from what it kept of earlier ones.

        Such a round has no session and no messages but those of a survey that is due;
        :meth:`replay` plays it. By default no round is one.
        """
        return False

    def replay(self, state: State, round_number: int) -> Aggregated:  # noqa: ARG002
        """Play a round from what was kept, changing ``state`` in place."""
        raise TypeError(f"{type(self).__name__}: expected no round to be replayed")

    @abstractmethod
    def assess(self, state: State, round_number: int, engine: AnyEngine) -> Assessment:
        """Evaluate the global model after a round, from the surveys that an engine took in."""

    def assess_inputs(
        self,
        surveyed: Mapping[int, Mapping[Split, Samples]],  # noqa: ARG002
    ) -> Mapping[str, float]:
        """Say what a representation is worth that is no more than the inputs themselves.

        For whoever holds all clients' samples, in a simulation or a benchmark: no client sends
        its inputs. By default nothing; a half that judges representations judges the inputs by
        the same means, in figures that begin with ``raw_``.

        Parameters
        ----------
        surveyed : Mapping[int, Mapping[Split, Samples]]
            By client, what it would be surveyed with.
        """
        return {}


AnySplitServerHalf = SplitServerHalf[Any, Any, Any, Any, Any]
