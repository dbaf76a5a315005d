"""Messages of one round to many nodes, and the strict reading of what comes back."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from logging import WARNING
from typing import Any, Final, Literal, Protocol, final

from flwr.app import Message, RecordDict
from flwr.common.logger import log
from flwr.serverapp import Grid

from server_app.answers import Answers, reading
from server_app.client import Client
from server_app.exchange import Question
from server_app.reported_classes import check_classes
from server_app.reported_samples import check_agreement
from server_app.roster import NOTHING_GIVEN
from server_app.round_context import RoundContext, Session
from server_app.round_record import NodeRecord, RoundRecord
from server_app.turn_lengths import TurnLengths
from strategies.common.errors import WireError
from strategies.common.method import AnyServerHalf
from strategies.common.round import Reply
from strategies.common.run_config import RunConfig
from strategies.common.settings import RunSettings
from strategies.common.tested import Tested
from strategies.common.transport.control import Order, Report
from strategies.common.transport.envelope import (
    Parcel,
    count_bytes,
    pack,
    read_control_record,
    read_payload,
    to_record_dict,
)

Kind = Literal["train", "evaluate"]
# In place of an architecture.
_ALL: Final = "all"


class Watcher(Protocol):
    """Someone who is told what a round is waiting for."""

    def __call__(self, round_number: int, phase: str, done: int, total: int) -> None:
        """Take note that ``done`` of ``total`` answers, or steps, of a phase are there."""


@final
@dataclass
class RoundInProgress:
    """One round on its way.

    Attributes
    ----------
    context : RoundContext
        What is sent from.
    check : Callable[[Reply], None]
        Refuses an upload that does not fit the round, with a ``WireError``.
    session : Session | None
        Where activations are exchanged.
    record : RoundRecord
        What became of it.
    replies : dict[int, Reply]
        Uploads that were accepted, by partition.
    """

    context: RoundContext
    check: Callable[[Reply[Any]], None]
    session: Session | None = None
    record: RoundRecord = field(init=False)
    replies: dict[int, Reply[Any]] = field(default_factory=dict)
    # What goes to all, or to all of an architecture, packed once however often it is asked for.
    _packed: dict[str, Parcel | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.record = RoundRecord(self.context.round_number)

    def parcel(self, half: AnyServerHalf, client: Client, wire_dtype: str) -> Parcel | None:
        """Return what a server half sends to a client of this round, packed."""
        state, like = self.context.state, client.description.holds
        if _ALL not in self._packed:
            self._packed[_ALL] = pack(half.broadcast(state), wire_dtype)
        if (to_all := self._packed[_ALL]) is not None:
            return to_all
        if like.key not in self._packed:
            self._packed[like.key] = pack(half.shared(state, like), wire_dtype)
        if (to_its_like := self._packed[like.key]) is not None:
            return to_its_like
        return pack(half.personal(state, client.description.partition), wire_dtype)

    def refuse(self, partition: int, reason: str) -> None:
        """Count a client that had answered as failed after all."""
        self.replies.pop(partition, None)
        self.record.nodes.pop(partition, None)
        self.record.failures[partition] = reason

    def in_order(self) -> list[Reply[Any]]:
        """Return the accepted uploads sorted by partition."""
        return [reply for _, reply in sorted(self.replies.items())]


@final
class Messenger:
    """Sends a method's messages and takes in the replies.

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
        Told of progress.
    given : RunConfig
        Settings that devices are told.
    heard : Callable[[Answers], None]
        Told of all that came back, before it is read.
    doubted : Callable[[int], None]
        Told of a node that seems to be no longer what it said it is.
    """

    def __init__(
        self,
        grid: Grid,
        half: AnyServerHalf,
        run: RunSettings,
        run_name: str,
        watch: Watcher,
        given: RunConfig = NOTHING_GIVEN,
        heard: Callable[[Answers], None] = lambda _: None,
        doubted: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._grid = grid
        self._half = half
        self._run = run
        self._run_name = run_name
        self._watch = watch
        self._given = dict(given)
        self._heard = heard
        self._doubted = doubted
        self._turns = TurnLengths()

    def ask(self, ongoing: RoundInProgress, clients: Mapping[int, Client], kind: Kind) -> None:
        """Send one message to each client and take in what comes back.

        Parameters
        ----------
        ongoing : RoundInProgress
            The round; its record and uplinks are added to.
        clients : Mapping[int, Client]
            Whom to ask, by partition.
        kind : str
            ``"train"`` to learn and test, ``"evaluate"`` to test alone.
        """
        record = ongoing.record
        messages = self.write(ongoing, clients, kind)
        # In a run within one process clients are at work before they have all been asked.
        with record.timed("replies"):
            # Whoever has exchanged activations cannot do it again.
            usual = partial(self._turns.patience_s, kind)
            patience = usual if ongoing.session is None else None
            question = Question(self._grid, messages, patience)
            answers = question.wait(
                self._run.round_deadline_s,
                lambda done, total: self._tell(ongoing, kind, done, total),
                ongoing.session.hopeless if ongoing.session else lambda: None,
            )
        self._turns.take(kind, answers.seconds)
        self.take_in(ongoing, clients, messages, answers)

    def write(
        self, ongoing: RoundInProgress, clients: Mapping[int, Client], kind: Kind
    ) -> list[Message]:
        """Return the messages to clients, one each in their order; see :meth:`ask`."""
        with ongoing.record.timed("configure"):
            group = str(ongoing.record.round_number)
            return [
                Message(self._content(ongoing, client), client.node_id, kind, group_id=group)
                for client in clients.values()
            ]

    def take_in(
        self,
        ongoing: RoundInProgress,
        clients: Mapping[int, Client],
        messages: Sequence[Message],
        answers: Answers,
    ) -> None:
        """Read what came back, strictly; whatever is wrong is that client's failure.

        Parameters
        ----------
        ongoing : RoundInProgress
            The round; its record and uplinks are added to.
        clients : Mapping[int, Client]
            Who was asked, by partition.
        messages : Sequence[Message]
            What was sent to them, as :meth:`write` returned it.
        answers : Answers
            A reply or a failure of each.
        """
        self._heard(answers)
        ongoing.record.notes += [
            f"{client.label}: what it was sent, or its reply, was lost on the way; sent again"
            f"{f' {times} times' if times > 1 else ''}"
            for client in clients.values()
            if (times := answers.sent_again.get(client.node_id, 0))
        ]
        with ongoing.record.timed("decode"):
            for client, message in zip(clients.values(), messages, strict=True):
                self._take_in(ongoing, client, answers, message)

    def _tell(self, ongoing: RoundInProgress, kind: Kind, done: int, total: int) -> None:
        """Tell how many have answered, and before that how many steps were taken together."""
        phase = "training" if kind == "train" else "evaluation"
        if ongoing.session is not None:
            played, steps = ongoing.session.steps
            if 0 < played < steps:
                phase, done, total = f"{phase} step", played, steps
        self._watch(ongoing.record.round_number, phase, done, total)

    def _content(self, ongoing: RoundInProgress, client: Client) -> RecordDict:
        partition = client.description.partition
        order = Order(
            run=self._run_name,
            round_number=ongoing.record.round_number,
            continue_from=ongoing.context.accepted.get(partition, 0),
            resolved=dict(self._half.resolved()),
            given=self._given,
        )
        parcel = ongoing.parcel(self._half, client, self._run.wire_dtype)
        invitation = ongoing.session.invitation(partition) if ongoing.session else None
        return to_record_dict(order, parcel, invitation)

    def _take_in(
        self,
        ongoing: RoundInProgress,
        client: Client,
        answers: Answers,
        sent: Message,
    ) -> None:
        partition, record = client.description.partition, ongoing.record
        learnt = sent.metadata.message_type == "train"
        try:
            if client.node_id in answers.failures:
                raise WireError(f"{client.label}: {answers.failures[client.node_id]}")
            content = answers.replies[client.node_id].content
            with reading(client.label):
                report, reply = self._read(ongoing, client, content, learnt=learnt)
        except WireError as error:
            record.failures[partition] = str(error)
            log(WARNING, "round %d: failed: %s", record.round_number, error)
            return
        for note in report.notes:
            log(WARNING, "round %d: %s: %s", record.round_number, client.label, note)
        if reply is not None:
            ongoing.replies[partition] = reply
        record.failures.pop(partition, None)
        record.nodes[partition] = NodeRecord(
            client=client,
            report=report,
            took_part=learnt,
            uplink=count_bytes(content),
            downlink=count_bytes(sent.content),
        )

    def _read(
        self, ongoing: RoundInProgress, client: Client, content: RecordDict, *, learnt: bool
    ) -> tuple[Report, Reply[Any] | None]:
        run, half, record = self._run, self._half, ongoing.record
        report = read_control_record(
            content, Report, sender=client.label, max_bytes=run.max_report_bytes
        )
        if report.round_number != record.round_number:
            raise WireError(
                f"{client.label}: report.round_number: expected {record.round_number}, got "
                f"{report.round_number}"
            )
        later = learnt and half.testing().is_later
        if half.testing() is not Tested.BY_SERVER and not later and not report.test_samples:
            raise WireError(f"{client.label}: report.test_samples: expected at least 1, got 0")
        held_out = bool(report.test_samples and run.validation_share)
        if bool(report.validation_samples) != held_out:
            raise WireError(
                f"{client.label}: report.validation_samples: expected "
                f"{'at least 1' if held_out else 0}, got {report.validation_samples}"
            )
        try:
            check_agreement(report, client.description, client.label)
        except WireError:
            self._doubted(client.node_id)
            raise
        accepted = ongoing.context.accepted.get(client.description.partition, 0)
        if report.continued_from > accepted:
            raise WireError(
                f"{client.label}: report.continued_from: expected at most {accepted}, the last "
                f"round that was accepted, got {report.continued_from}"
            )
        if report.continued_from < accepted:
            # It may have been started again since, with other data or as another client.
            self._doubted(client.node_id)
        num_classes, shared = half.agreed.task.num_classes, run.share_class_counts
        check_classes(report, num_classes, shared=shared, sender=client.label)
        kind = half.phase(record.round_number).up if learnt else None
        holds = client.description.holds
        agreed = replace(half.agreed, architecture=holds)
        uplink = read_payload(content, Report, kind, agreed, sender=client.label)
        if kind is None:
            return report, None
        if uplink is None:
            raise WireError(f"{client.label}: expected {kind.schema}, got no payload")
        reply = Reply(client.description.partition, report.train_samples, uplink, holds)
        ongoing.check(reply)
        return report, reply
