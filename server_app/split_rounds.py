"""Rounds in which activations are exchanged: each has a session, and some a survey.

The server's part of a network learns while the round is under way. A round that fails has
therefore changed it, and is played again from where the last synchronisation left it.
A round in which the server learns from what it kept has no session.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from logging import WARNING
from typing import Any, final

from flwr.common.logger import log

from server_app.client import Client
from server_app.reported_samples import most_samples
from server_app.round_context import PlayedRound, RoundContext
from server_app.round_record import MeasuredAccuracy, RoundRecord
from server_app.rounds import RoundLoop
from server_app.split.hub import NOTHING_HEARD
from server_app.split.session import SplitSession
from strategies.common.errors import FederationError
from strategies.common.guard import guard_of
from strategies.common.magnitudes import Size
from strategies.common.round import Aggregated, Reply
from strategies.common.settings import RunSettings
from strategies.common.split.engine import Engine
from strategies.common.split.halves import Assessment, SplitRound, SplitServerHalf
from strategies.common.split.plan import Plan
from strategies.common.split.settings import SplitSettings
from strategies.common.transport.compute import threads
from strategies.common.transport.state import load_tensors, to_tensors

_STREAM = "stream"


@final
class SplitRounds:
    """Plays the rounds of a split method.

    Parameters
    ----------
    loop : RoundLoop
        Sends the messages that open and end a round.
    half : SplitServerHalf
        The method.
    run : RunSettings
        General settings.
    split : SplitSettings
        Settings of the data plane.
    """

    def __init__(
        self,
        loop: RoundLoop,
        half: SplitServerHalf[Any, Any, Any, Any, Any],
        run: RunSettings,
        split: SplitSettings,
    ) -> None:
        self._loop = loop
        self._half = half
        self._run = run
        self._split = split
        self._untrained = Aggregated()
        self._heard: Mapping[int, Size] = NOTHING_HEARD

    def needs_clients(self, round_number: int) -> bool:
        """Tell whether a round sends messages: all do but replayed ones without a survey.

        Parameters
        ----------
        round_number : int
            Which round, from 1.
        """
        if not self._half.replays(round_number):
            return True
        return self._half.survey_plan(round_number, ()) is not None

    def play(self, context: RoundContext) -> PlayedRound:
        """Play one round up to, and without, aggregation; nothing of one that is replayed.

        Raises
        ------
        FederationError
            If too few clients took part to its end, even after a second try.
        """
        number, half = context.round_number, self._half
        untrained = RoundRecord(number)
        if half.replays(number):
            return PlayedRound(untrained, context, lambda: half.replay(context.state, number))
        if number == 1 and self._run.evaluate_every:
            said = self._survey(untrained, context, after=0)
            numbers = {**said.diagnostics, "accuracy": untrained.accuracy()}
            named = {f"untrained_{n}": value for n, value in numbers.items() if value is not None}
            self._untrained = Aggregated(named)
        before = to_tensors(context.state)
        try:
            record, current, replies = self._exchange(context)
        except FederationError as error:
            log(WARNING, "%s; trying once more from the last synchronisation", error)
            load_tensors(context.state, before)
            again = self._loop.gathering.wait(number, first=False)
            context = replace(context, clients=again)
            record, current, replies = self._exchange(context)
        for partition, node in untrained.nodes.items():
            if partition in record.nodes:
                moved = record.nodes[partition].with_traffic(node.uplink, node.downlink)
                record.nodes[partition] = moved
        return PlayedRound(record, context, lambda: half.aggregate(context.state, current, replies))

    def survey(self, record: RoundRecord, context: RoundContext) -> Aggregated:
        """Evaluate the global model after a round, where the method asks for it.

        Before the first round it was evaluated too, unless ``evaluate-every`` is 0; what that
        came to stands beside the first round's numbers.

        Parameters
        ----------
        record : RoundRecord
            The round; takes in the clients' accuracies and bytes.
        context : RoundContext
            As after aggregation.

        Returns
        -------
        Aggregated
            What the evaluation adds to the journal.
        """
        said = self._survey(record, context, after=record.round_number)
        untrained, self._untrained = self._untrained, Aggregated()
        return untrained.joined(said)

    def _survey(self, record: RoundRecord, context: RoundContext, *, after: int) -> Aggregated:
        state = context.state
        # Whoever failed in the round is told there; what it sends is not to be judged by.
        clients = {p: c for p, c in context.clients.items() if p not in record.failures}
        plan = self._half.survey_plan(after, sorted(clients))
        if plan is None:
            return Aggregated()
        engine = self._half.engine(state, plan)
        with self._session(engine, plan, clients) as session:
            failed = self._loop.survey(record, context, session)
        for partition, reason in session.hub.surveyed.loud().items():
            engine.forget(plan.seats(partition, self._run.clients_per_node)[0])
            told = f"{clients[partition].label}: {reason}; its samples are left out"
            failed.setdefault(partition, told)
        self._take_in(record, session, failed)
        reasons = [*failed.values(), *([session.failure] if session.failure else [])]
        record.notes += [f"evaluation: {reason}" for reason in reasons]
        with record.timed("evaluate"), threads(self._run.server_threads):
            assessment = self._half.assess(state, after, engine)
        for partition, measured in self._by_node(assessment).items():
            if partition in record.nodes:
                record.nodes[partition] = replace(record.nodes[partition], by_server=measured)
        return assessment.said

    def _exchange(
        self, context: RoundContext
    ) -> tuple[RoundRecord, SplitRound[Any], Sequence[Reply[Any]]]:
        number, state = context.round_number, context.state
        plan = self._half.plan(state, number, sorted(context.clients))
        engine = self._half.engine(state, plan)
        current = SplitRound(number, plan, engine)
        with self._session(engine, plan, context.clients) as session:
            try:
                record, replies = self._loop.exchange(
                    context,
                    lambda reply: self._half.check(state, current, reply),
                    session,
                    self._half,
                )
            except FederationError as error:
                reason = f"; the exchange ended early: {session.failure}" if session.failure else ""
                raise FederationError(f"{error}{reason}") from None
        if session.failure:
            # The last answers are out before the server's own update, which may fail as well.
            raise FederationError(f"round {number}: {session.failure}") from session.cause
        self._heard = session.hub.heard
        self._take_in(record, session, record.failures)
        return record, current, guard_of(self._run).arrived(replies)

    def _session(self, engine: Engine, plan: Plan, clients: Mapping[int, Client]) -> SplitSession:
        seats = {p: plan.seats(p, self._run.clients_per_node) for p in sorted(clients)}
        return SplitSession(
            engine,
            plan,
            lambda own: self._half.frames(own, plan.batch),
            {partition: own for partition, own in seats.items() if any(own)},
            self._split,
            self._run.server_threads,
            self._heard,
            {p: most_samples(client.description) for p, client in clients.items()},
        )

    def _take_in(
        self, record: RoundRecord, session: SplitSession, failed: Mapping[int, str]
    ) -> None:
        record.notes += session.notes(failed)
        for partition in session.partitions:
            if partition in record.nodes:
                traffic = session.traffic(partition)
                record.nodes[partition] = record.nodes[partition].with_traffic(
                    {_STREAM: traffic.uplink_bytes}, {_STREAM: traffic.downlink_bytes}
                )

    def _by_node(self, assessment: Assessment) -> dict[int, MeasuredAccuracy]:
        sums: dict[int, tuple[float, int, float]] = {}
        for client, evaluation in sorted(assessment.evaluations.items()):
            node = client // self._run.clients_per_node
            samples = assessment.test_samples[client]
            correct, total, loss = sums.get(node, (0, 0, 0.0))
            sums[node] = (
                correct + evaluation.correct,
                total + samples,
                loss + evaluation.loss * samples,
            )
        return {
            node: MeasuredAccuracy(correct, total, loss / total)
            for node, (correct, total, loss) in sums.items()
            if total
        }
