"""Rounds of which someone else sends the messages and waits for the replies.

That is Flower's own loop, or one that a user wrote. What goes out and what is made of the replies
is as in ``rounds.py``; there is no second try, no folder and no checkpoint.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from logging import INFO, WARNING
from typing import Any, final

from flwr.app import Message
from flwr.common.logger import log
from flwr.serverapp import Grid

from server_app.answers import Answers
from server_app.augmenting import Augmenting
from server_app.client import Client, held_by
from server_app.half import first_state, open_settings, run_name, server_half
from server_app.journal import RoundLine
from server_app.large_uploads import refuse_large
from server_app.messenger import RoundInProgress
from server_app.round_context import PlayedRound, RoundContext
from server_app.rounds import RoundLoop, uploads_nothing
from server_app.stage import Stage
from server_app.undoing import Undoing
from strategies import methods
from strategies.common.errors import FederationError, SettingsError
from strategies.common.guard import guard_of
from strategies.common.method import AggregatingServerHalf
from strategies.common.round import Aggregated
from strategies.common.run_config import RunConfig
from strategies.common.transport.state import load_tensors, to_tensors


@final
@dataclass
class _Asked:
    """Messages that were handed out, and the round that the replies belong to."""

    ongoing: RoundInProgress
    clients: Mapping[int, Client] = field(default_factory=dict)
    messages: Sequence[Message] = ()


@final
class HeldRounds:
    """The rounds of one run, played by turns: ask, take in, ask for tests, take these in.

    Parameters
    ----------
    grid : Grid
        Tells who is there; nodes are asked through it once who they are, and for whatever comes
        before the first round.
    config : RunConfig
        Flower's flat run config.
    given : RunConfig
        Those of its settings that devices are told.

    Raises
    ------
    SettingsError
        If a setting is unknown or out of range, or the method exchanges activations.
    GeneratorError
        If the method needs a generator that cannot be built.
    """

    def __init__(self, grid: Grid, config: RunConfig, given: RunConfig) -> None:
        self._settings = settings = open_settings(config)
        if settings.stop_after:
            raise SettingsError(
                f"setting stop-after: expected 0 where another loop decides how many rounds are "
                f"played, got {settings.stop_after}; call start(...) of the strategy instead"
            )
        half = server_half(settings, config)
        if not isinstance(half, AggregatingServerHalf):
            raise SettingsError(
                f"{settings.method}: clients exchange activations while they train, which one "
                f"message and one reply cannot carry; expected start(...) of the strategy, which "
                f"plays the rounds itself"
            )
        self._half = half
        self._classified_by = methods.presentation(settings.method, config).classified_by
        self._loop = RoundLoop(grid, half, settings, run_name(settings), lambda *_: None, given)
        self._augmenting: Augmenting | None = None
        if settings.augmentation != "none":
            self._augmenting = Augmenting(
                grid, self._loop.roster, settings, config, None, lambda *_: None
            )
        self._stage = Stage()
        self._state: Any = None
        self._accepted: dict[int, int] = {}
        self._training: _Asked | None = None
        self._tests: _Asked | None = None
        self._said = Aggregated()
        self._undoing = Undoing(half, settings)

    def ask(self, round_number: int) -> list[Message]:
        """Wait for enough clients, and return a round's messages to those that train.

        Parameters
        ----------
        round_number : int
            From 1.

        Raises
        ------
        FederationError
            If too few clients are there in time, or none takes part in an augmentation.
        ModelError
            If the clients' task does not suit the method.
        """
        loop = self._loop
        clients = loop.gathering.wait(round_number, first=self._state is None)
        task = loop.roster.task()
        if self._state is None:
            self._state = first_state(self._half, self._settings, task)
            self._half.check_clients(held_by(clients))
        state, self._stage = self._state, Stage()
        if self._augmenting is not None:
            self._stage = self._augmenting.play(round_number, clients, task)
            clients = loop.roster.clients()
        context = RoundContext(round_number, clients, state, task, self._accepted)
        ongoing = loop.begin(context, lambda reply: self._half.check(state, reply))
        self._stage.tell(ongoing.record)
        chosen = loop.choose(round_number, clients)
        messages = loop.messenger.write(ongoing, chosen, "train")
        self._training, self._tests = _Asked(ongoing, chosen, messages), None
        self._said = Aggregated()
        return list(messages)

    def aggregate(self, round_number: int, replies: Iterable[Message]) -> RoundLine:
        """Take in what came back from training, and let the method aggregate it.

        With fewer than ``min-replies`` good replies nothing is aggregated, and clients go on
        from where they were.

        Parameters
        ----------
        round_number : int
            The one that was asked for.
        replies : Iterable[Message]
            In any order; a client without one has failed.

        Returns
        -------
        RoundLine
            The round as a journal would have it.

        Raises
        ------
        FederationError
            If another round was asked for.
        ModelError
            If two rounds one after another could not be aggregated; a single one is undone.
        """
        asked = self._asked("aggregate_train", round_number, self._training)
        self._training = None
        self._take_in(asked, replies)
        refuse_large(asked.ongoing, self._half)
        record, needed = asked.ongoing.record, self._settings.min_replies
        if len(record.nodes) < needed:
            # Clients may have lost what is sent builds upon, and would fail alike for ever.
            self._half.gone_back(self._state)
            self._tests = _Asked(asked.ongoing)
            note = f"expected at least min-replies={needed} good replies, got {len(record.nodes)}"
            self._said = Aggregated(notes=(f"{note}: the round does not count",))
        else:
            # Written before aggregation, as what goes to them comes from the same state.
            idle = self._loop.idle(asked.ongoing, asked.clients)
            tests = self._loop.messenger.write(asked.ongoing, idle, "evaluate")
            self._tests = _Asked(asked.ongoing, idle, tests)
            found = guard_of(self._settings).arrived(asked.ongoing.in_order())
            before = to_tensors(self._state)
            played = PlayedRound(
                record,
                asked.ongoing.context,
                lambda: self._half.aggregate(self._state, round_number, found),
            )
            self._said = self._undoing.take_in(played, lambda: load_tensors(self._state, before))
            self._accepted.update(dict.fromkeys(record.nodes, round_number))
        self._said = self._stage.said.joined(self._said)
        self._tell(round_number)
        return self._line(asked)

    def ask_for_tests(self, round_number: int) -> list[Message]:
        """Return messages to those that are to test a model: often none.

        Most methods' clients test what they trained, in the same reply. Those that did not
        train are asked every ``evaluate-every`` rounds; all are, where what aggregation made is
        tested, and those that trained in every round, where it is part of their test.
        """
        asked = self._asked("configure_evaluate", round_number, self._tests)
        context, trained = asked.ongoing.context, asked.ongoing.record.nodes
        if self._accepted and (clients := self._loop.testers(context, trained)):
            ongoing = RoundInProgress(context, uploads_nothing)
            messages = self._loop.messenger.write(ongoing, clients, "evaluate")
            asked.clients, asked.messages = clients, messages
        return list(asked.messages)

    def take_in_tests(self, round_number: int, replies: Iterable[Message]) -> RoundLine:
        """Take in what came back from testing, and return the whole round."""
        asked = self._asked("aggregate_evaluate", round_number, self._tests)
        if not self._half.testing().is_later:
            self._take_in(asked, replies)
            return self._line(asked)
        after = RoundInProgress(asked.ongoing.context, uploads_nothing)
        self._take_in(_Asked(after, asked.clients, asked.messages), replies)
        record = asked.ongoing.record
        if asked.messages:
            record.notes += [f"evaluation: {reason}" for reason in record.add_test(after.record)]
        return self._line(asked)

    def _asked(self, called: str, round_number: int, asked: _Asked | None) -> _Asked:
        number = asked.ongoing.record.round_number if asked else None
        if asked is None or number != round_number:
            raise FederationError(
                f"{called}({round_number}): expected the same round to be configured and trained "
                f"before, got {number or 'none'}; call the strategy's methods in Flower's order"
            )
        return asked

    def _take_in(self, asked: _Asked, replies: Iterable[Message]) -> None:
        """Match replies by the messages that they answer: Flower reports a dead node as its own."""
        nodes = {m.metadata.message_id: m.metadata.dst_node_id for m in asked.messages}
        answers = Answers()
        for reply in replies:
            node_id = nodes.get(reply.metadata.reply_to_message_id)
            if node_id is not None:
                answers.add(node_id, reply)
        for message in asked.messages:
            node_id = message.metadata.dst_node_id
            if node_id not in answers.replies and node_id not in answers.failures:
                answers.add_silent([node_id], "no reply in time")
        self._loop.messenger.take_in(asked.ongoing, asked.clients, asked.messages, answers)

    def _tell(self, round_number: int) -> None:
        for name, value in self._said.diagnostics.items():
            log(INFO, "round %d: %s %.4g", round_number, name, value)
        for note in self._said.notes:
            log(WARNING, "round %d: %s", round_number, note)

    def _line(self, asked: _Asked) -> RoundLine:
        method, classified_by = self._settings.method, self._classified_by
        return asked.ongoing.record.to_line(method, self._said, classified_by)
