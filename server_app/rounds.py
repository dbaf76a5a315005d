"""The main road: one round after another.

Flower's own strategy loop sends two messages per node and round, polls every three seconds
and burns rounds when nodes are gone. This loop sends one message (training and evaluation in
one reply, unless a test needs what aggregation made), polls fast, waits for enough nodes before
a round starts, retries once when too few replied, and then fails loudly with everything up to
the last complete round saved.
"""

from collections.abc import Callable, Container, Mapping
from dataclasses import replace
from logging import WARNING
from typing import Any, final

import torch
from flwr.common.logger import log
from flwr.serverapp import Grid

from server_app.client import Client
from server_app.delivery import has_network
from server_app.enough_replies import num_training
from server_app.gathering import Gathering, list_reasons
from server_app.large_uploads import refuse_large
from server_app.messenger import Messenger, RoundInProgress, Watcher
from server_app.roster import NOTHING_GIVEN, Roster
from server_app.round_context import PlayedRound, RoundContext, Session
from server_app.round_record import RoundRecord
from strategies.common import seeds
from strategies.common.adapters.halves import AdapterServerHalf
from strategies.common.errors import FederationError
from strategies.common.guard import guard_of
from strategies.common.message import MessageServer
from strategies.common.method import AnyAggregatingHalf, AnyServerHalf
from strategies.common.round import Reply
from strategies.common.run_config import RunConfig
from strategies.common.settings import RunSettings
from strategies.common.split.halves import AnySplitServerHalf
from strategies.common.tested import Tested


@final
class RoundLoop:
    """Plays rounds of any method with the nodes of one grid.

    Parameters
    ----------
    grid : Grid
        Flower's connection to the nodes.
    half : ServerHalf
        The method.
    run : RunSettings
        General settings.
    run_name : str
        Name of the run, by which devices file their state.
    watch : Watcher
        Told of progress within a round.
    given : RunConfig
        Settings that devices are told, where they are not those of the run config.

    Attributes
    ----------
    roster : Roster
        Who is there.
    messenger : Messenger
        Writes to them, and reads what comes back.
    gathering : Gathering
        Waits for them.
    """

    def __init__(
        self,
        grid: Grid,
        half: AnyServerHalf,
        run: RunSettings,
        run_name: str,
        watch: Watcher,
        given: RunConfig = NOTHING_GIVEN,
    ) -> None:
        self._run = run
        self._tested = half.testing()
        self.roster = Roster(
            grid,
            run_name,
            private_classes=isinstance(half, AdapterServerHalf),
            given=given,
            carried=run.clients_per_node,
            # Networks that are split, or adapted, have the width that they have.
            feature_dim=run.feature_dim if isinstance(half, MessageServer) else 0,
        )
        self.messenger = Messenger(
            grid,
            half,
            run,
            run_name,
            watch,
            given,
            heard=self.roster.take_note,
            doubted=self.roster.doubt,
        )
        self.gathering = Gathering(self.roster, run, watch, networked=has_network(grid))

    def begin(
        self,
        context: RoundContext,
        check: Callable[[Reply[Any]], None],
        session: Session | None = None,
    ) -> RoundInProgress:
        """Begin a round; whoever is not there, or cannot take part, is told of in its record."""
        ongoing = RoundInProgress(context, check, session)
        ongoing.record.failures = self.roster.absent(context.accepted)
        ongoing.record.notes += self.roster.strangers()
        return ongoing

    def exchange(
        self,
        context: RoundContext,
        check: Callable[[Reply[Any]], None],
        session: Session,
        half: AnySplitServerHalf,
    ) -> tuple[RoundRecord, list[Reply[Any]]]:
        """Play a round in which activations are exchanged, up to its replies.

        Parameters
        ----------
        context : RoundContext
            What the round is played with.
        check : Callable[[Reply], None]
            Refuses an upload that does not fit the round.
        session : Session
            Where activations are exchanged; its nodes take part and no others.
        half : SplitServerHalf
            States how large an upload is.

        Raises
        ------
        FederationError
            If fewer than ``min_replies`` nodes replied well; there is no second try, since the
            exchange has changed the server's part already.
        """
        ongoing = self.begin(context, check, session)
        self.messenger.ask(ongoing, _seated(session, context.clients), "train")
        refuse_large(ongoing, half)
        self._require_replies(ongoing, "")
        return ongoing.record, ongoing.in_order()

    def play(self, context: RoundContext, half: AnyAggregatingHalf) -> PlayedRound:
        """Play one round up to, and without, aggregation.

        Parameters
        ----------
        context : RoundContext
            What the round is played with.
        half : AggregatingServerHalf
            Takes in the replies.

        Raises
        ------
        FederationError
            If fewer than ``min_replies`` clients replied well, even after a second try.
        """
        ongoing = self.begin(context, lambda reply: half.check(context.state, reply))
        round_number = context.round_number
        chosen = self.choose(round_number, context.clients)
        self.messenger.ask(ongoing, chosen, "train")
        refuse_large(ongoing, half)
        if len(ongoing.record.nodes) < self._run.min_replies:
            log(
                WARNING,
                "round %d: %d good replies, trying once more",
                round_number,
                len(ongoing.replies),
            )
            again = self.gathering.wait(round_number, first=False)
            # Who answered stays, and who comes for this try is tested like the others.
            ongoing.context = replace(context, clients={**context.clients, **again})
            silent = {p: c for p, c in again.items() if p not in ongoing.record.nodes}
            # Who lost its state fails alike wherever what is sent builds upon that.
            half.gone_back(context.state)
            self.messenger.ask(ongoing, silent, "train")
            refuse_large(ongoing, half)
        self._require_replies(ongoing, " after two tries")
        if idle := self.idle(ongoing, chosen):
            self.messenger.ask(ongoing, idle, "evaluate")
        replies = guard_of(self._run).arrived(ongoing.in_order())
        return PlayedRound(
            ongoing.record,
            ongoing.context,
            lambda: half.aggregate(context.state, round_number, replies),
        )

    def idle(self, ongoing: RoundInProgress, chosen: Mapping[int, Client]) -> dict[int, Client]:
        """Return the clients that are to test their model though they do not train.

        Parameters
        ----------
        ongoing : RoundInProgress
            The round, after training.
        chosen : Mapping[int, Client]
            Who was to train.
        """
        context = ongoing.context
        if self._tested.is_later or not self._run.is_evaluated(context.round_number):
            return {}
        asked = {*chosen, *ongoing.record.nodes, *ongoing.record.failures}
        return {p: c for p, c in context.clients.items() if p not in asked}

    def testers(self, context: RoundContext, trained: Container[int]) -> dict[int, Client]:
        """Return the clients that are to test what aggregation made.

        Parameters
        ----------
        context : RoundContext
            What the round is played with.
        trained : Container[int]
            Those that took part in it.
        """
        if not self._tested.is_later:
            return {}
        if self._run.is_evaluated(context.round_number):
            return dict(context.clients)
        every_round = self._tested is Tested.WITH_AGGREGATED
        return {p: c for p, c in context.clients.items() if every_round and p in trained}

    def test(self, record: RoundRecord, context: RoundContext) -> list[str]:
        """Let clients test what aggregation made, where the method asks for it in this round.

        Parameters
        ----------
        record : RoundRecord
            The round; what they say and the bytes are added.
        context : RoundContext
            What is sent from, after aggregation.

        Returns
        -------
        list[str]
            Reasons of the clients that failed, and had not before.
        """
        clients = self.testers(context, record.nodes)
        if not clients:
            return []
        ongoing = RoundInProgress(context, uploads_nothing)
        self.messenger.ask(ongoing, clients, "evaluate")
        return record.add_test(ongoing.record)

    def survey(
        self, record: RoundRecord, context: RoundContext, session: Session
    ) -> dict[int, str]:
        """Let clients send what the server evaluates, after a round's aggregation.

        Parameters
        ----------
        record : RoundRecord
            The round; bytes and, of clients that sat it out, reports are added.
        context : RoundContext
            What is sent from, after aggregation.
        session : Session
            Where the samples are sent to.

        Returns
        -------
        dict[int, str]
            Reasons of the clients that failed; one that took part in the round still did, and
            one that failed in the round stays failed and is told there.
        """
        ongoing = RoundInProgress(context, uploads_nothing, session)
        self.messenger.ask(ongoing, _seated(session, context.clients), "evaluate")
        return record.add_survey(ongoing.record)

    def _require_replies(self, ongoing: RoundInProgress, after: str) -> None:
        record, needed = ongoing.record, self._run.min_replies
        if len(record.nodes) < needed:
            # Where nobody failed there are too few.
            reasons = list_reasons(record.failures) or (
                "all that were asked replied, so more nodes or a smaller min-replies are needed"
            )
            raise FederationError(
                f"round {record.round_number}: expected at least min-replies={needed} good "
                f"replies, got {len(record.nodes)}{after}: {reasons}"
            )

    def choose(self, round_number: int, clients: Mapping[int, Client]) -> dict[int, Client]:
        """Return those of the clients that are there that train in a round."""
        partitions = sorted(clients)
        count = num_training(self._run, len(partitions))
        if count == len(partitions):
            return dict(clients)
        generator = seeds.generator(self._run.seed, "participation", round_number=round_number)
        order = torch.randperm(len(partitions), generator=generator).tolist()
        return {partitions[i]: clients[partitions[i]] for i in sorted(order[:count])}


def uploads_nothing(reply: Reply[Any]) -> None:
    """Stand where a check would: a test is answered without an upload."""


def _seated(session: Session, clients: Mapping[int, Client]) -> dict[int, Client]:
    return {partition: clients[partition] for partition in session.partitions}
