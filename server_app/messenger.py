"""Messages of one round to many nodes, and the strict reading of what comes back."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from logging import WARNING
from typing import Any, Literal, Protocol, final

from flwr.app import Message, RecordDict
from flwr.common.logger import log
from flwr.serverapp import Grid

from server_app.exchange import Answers, Question
from server_app.roster import Client
from server_app.round_context import RoundContext, Session
from server_app.round_record import NodeRecord, RoundRecord
from strategies.common.errors import WireError
from strategies.common.method import ServerHalf
from strategies.common.settings import RunSettings
from strategies.common.transport.control import Order, Report
from strategies.common.transport.envelope import (
    Parcel,
    count_bytes,
    pack,
    read_control_record,
    read_payload,
    to_record_dict,
)
from strategies.common.wire import Payload

Kind = Literal["train", "evaluate"]


class Watcher(Protocol):
    """Someone who is told what a round is waiting for."""

    def __call__(self, round_number: int, phase: str, done: int, total: int) -> None:
        """Take note that ``done`` of ``total`` answers of a phase are there."""


@final
@dataclass
class RoundInProgress:
    """One round on its way.

    Attributes
    ----------
    context : RoundContext
        What is sent from.
    session : Session | None
        Where activations are exchanged.
    record : RoundRecord
        What became of it.
    uplinks : dict[int, Payload]
        Payloads that were accepted, by partition.
    """

    context: RoundContext
    session: Session | None = None
    record: RoundRecord = field(init=False)
    uplinks: dict[int, Payload] = field(default_factory=dict)
    # Keeps each payload alive beside its packed form, so that ids stay its own.
    _parcels: dict[int, tuple[Payload, Parcel | None]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.record = RoundRecord(self.context.round_number)

    def parcel(self, payload: Payload, wire_dtype: str) -> Parcel | None:
        """Pack a payload; most methods send the same object to all clients, packed once."""
        kept = self._parcels.setdefault(id(payload), (payload, pack(payload, wire_dtype)))
        return kept[1]


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
    """

    def __init__(
        self,
        grid: Grid,
        half: ServerHalf[Any, Any, Any],
        run: RunSettings,
        run_name: str,
        watch: Watcher,
    ) -> None:
        self._grid = grid
        self._half = half
        self._run = run
        self._run_name = run_name
        self._watch = watch

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
        with record.timed("configure"):
            contents = {
                c.node_id: self._content(ongoing, partition) for partition, c in clients.items()
            }
            group = str(record.round_number)
            messages = [
                Message(content, node_id, kind, group_id=group)
                for node_id, content in contents.items()
            ]
            question = Question(self._grid, messages)
        phase = "training" if kind == "train" else "evaluation"
        with record.timed("replies"):
            answers = question.wait(
                self._run.round_deadline_s,
                lambda done, total: self._watch(record.round_number, phase, done, total),
                ongoing.session.hopeless if ongoing.session else lambda: None,
            )
        with record.timed("decode"):
            for client in clients.values():
                self._take_in(ongoing, client, answers, contents[client.node_id], kind)

    def _content(self, ongoing: RoundInProgress, partition: int) -> RecordDict:
        order = Order(
            run=self._run_name,
            round_number=ongoing.record.round_number,
            continue_from=ongoing.context.accepted.get(partition, 0),
        )
        payload = self._half.downlink(ongoing.context.state, partition)
        parcel = None if payload is None else ongoing.parcel(payload, self._run.wire_dtype)
        invitation = ongoing.session.invitation(partition) if ongoing.session else None
        return to_record_dict(order, parcel, invitation)

    def _take_in(
        self,
        ongoing: RoundInProgress,
        client: Client,
        answers: Answers,
        sent: RecordDict,
        kind: Kind,
    ) -> None:
        partition, record = client.description.partition, ongoing.record
        try:
            if client.node_id in answers.failures:
                raise WireError(f"{client.label}: {answers.failures[client.node_id]}")
            content = answers.replies[client.node_id].content
            report, uplink = self._read(ongoing, client, content, learnt=kind == "train")
        except WireError as error:
            record.failures[partition] = str(error)
            log(WARNING, "round %d: failed: %s", record.round_number, error)
            return
        for note in report.notes:
            log(WARNING, "round %d: %s: %s", record.round_number, client.label, note)
        if uplink is not None:
            ongoing.uplinks[partition] = uplink
        record.failures.pop(partition, None)
        record.nodes[partition] = NodeRecord(
            client=client,
            report=report,
            took_part=kind == "train",
            uplink=count_bytes(content),
            downlink=count_bytes(sent),
        )

    def _read(
        self, ongoing: RoundInProgress, client: Client, content: RecordDict, *, learnt: bool
    ) -> tuple[Report, Payload | None]:
        run, half, record = self._run, self._half, ongoing.record
        report = read_control_record(
            content, Report, sender=client.label, max_bytes=run.max_report_bytes
        )
        if report.round_number != record.round_number:
            raise WireError(
                f"{client.label}: report.round_number: expected {record.round_number}, got "
                f"{report.round_number}"
            )
        tests_later = half.exchanges or (learnt and half.tests_aggregate)
        if not tests_later and not report.test_samples:
            raise WireError(f"{client.label}: report.test_samples: expected at least 1, got 0")
        kind = half.uplink if learnt and half.uploads(record.round_number) else None
        uplink = read_payload(
            content,
            Report,
            kind,
            ongoing.context.task,
            wire_dtype=run.wire_dtype,
            sender=client.label,
        )
        if kind is not None and uplink is None:
            raise WireError(f"{client.label}: expected {kind.schema}, got no payload")
        if uplink is not None:
            half.check(client.description.partition, uplink)
        return report, uplink
