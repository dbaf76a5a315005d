"""The contract of a split method: activations are exchanged within a round."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Generic, final

from strategies.common.agreed import Need
from strategies.common.device import ExchangeDevice
from strategies.common.method import (
    ClientHalf,
    Downlink,
    MethodSettings,
    ServerHalf,
    State,
    Uplink,
)
from strategies.common.round import Aggregated, Evaluation, Tested
from strategies.common.split.engine import Engine
from strategies.common.split.plan import Plan
from strategies.common.split.wire.frames import FrameSpec


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
    ClientHalf[MethodSettings, ExchangeDevice, State, Downlink, Uplink],
    Generic[MethodSettings, State, Downlink, Uplink],
):
    """What a split method does on a node, for all the clients that it carries."""

    needs: ClassVar[frozenset[Need]] = frozenset({Need.SPLIT})
    tested: ClassVar[Tested] = Tested.BY_SERVER


class SplitServerHalf(
    ServerHalf[MethodSettings, State, Downlink, Uplink],
    Generic[MethodSettings, State, Downlink, Uplink],
):
    """What a split method does on the server.

    Within a round, clients exchange activations with an engine of this half; the reply that
    ends the round carries the clients' weights, which ``aggregate`` synchronises.
    """

    needs: ClassVar[frozenset[Need]] = frozenset({Need.SPLIT})
    tested: ClassVar[Tested] = Tested.BY_SERVER

    @abstractmethod
    def plan(self, state: State, round_number: int, partitions: Sequence[int]) -> Plan:
        """Choose the pool of a round among the nodes that are there.

        Parameters
        ----------
        state : State
            As after the last round.
        round_number : int
            Which round, from 1.
        partitions : Sequence[int]
            Nodes that are there, ascending.
        """

    def replays(self, round_number: int) -> bool:  # noqa: ARG002
        """Tell whether the server learns in a round from what it kept of earlier ones.

        Such a round has no session and no messages but those of a survey that is due;
        ``aggregate`` plays it, without uplinks. By default no round is one.
        """
        return False

    @abstractmethod
    def survey_plan(
        self, state: State, round_number: int, partitions: Sequence[int]
    ) -> Plan | None:
        """Return the plan of the evaluation after a round, or ``None`` for no evaluation."""

    @abstractmethod
    def frames(self, plan: Plan, clients: tuple[int, ...]) -> FrameSpec:
        """Return what the frames of some logical clients hold; the client half agrees."""

    @abstractmethod
    def engine(self, state: State, plan: Plan) -> Engine:
        """Return this half at work in one session, changing ``state`` in place."""

    @abstractmethod
    def assess(self, state: State, engine: Engine) -> Assessment:
        """Evaluate the global model from the surveys that an engine took in."""
