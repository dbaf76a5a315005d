"""The main road: one round after another.

Flower's own strategy loop sends two messages per node and round, polls every three seconds
and burns rounds when nodes are gone. This loop sends one message (training and evaluation
in one reply), polls fast, waits for enough nodes before a round starts, retries once when
too few replied, and then fails loudly with everything up to the last complete round saved.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from logging import WARNING
from typing import Any, Protocol, final

import torch
from flwr.app import Message, RecordDict
from flwr.common.logger import log
from flwr.serverapp import Grid

from server_app.exchange import Answers, Question
from server_app.roster import Client, Roster
from server_app.round_record import NodeRecord, RoundRecord
from strategies.common import seeds
from strategies.common.control import Order, Report
from strategies.common.envelope import (
    Parcel,
    count_bytes,
    pack,
    read_control_record,
    read_payload,
    to_record_dict,
)
from strategies.common.errors import FederationError, WireError
from strategies.common.method import ServerHalf
from strategies.common.settings import RunSettings
from strategies.common.split.invitation import Invitation
from strategies.common.task import Task
from strategies.common.wire import Payload

# A node that was asked who it is usually answers within seconds; after this long a round
# starts without it.
PATIENCE_S = 60.0
_WAIT_POLL_S = 0.1


class Watcher(Protocol):
    """Someone who is told what the loop is waiting for."""

    def __call__(self, round_number: int, phase: str, done: int, total: int) -> None:
        """Take note that ``done`` of ``total`` answers of a phase are there."""


class Session(Protocol):
    """Where the clients of one round exchange activations with the server."""

    @property
    def partitions(self) -> tuple[int, ...]:
        """Nodes that take part, ascending."""
        ...

    def invitation(self, partition: int) -> Invitation:
        """Return what a node needs to take part."""
        ...

    def hopeless(self) -> str | None:
        """Return why no further reply is to be expected, or ``None``."""
        ...


@final
@dataclass
class _Turn:
    """One round on its way: what is sent from, and what became of it."""

    state: object
    task: Task
    accepted: Mapping[int, int]
    record: RoundRecord
    session: Session | None = None
    uplinks: dict[int, Payload] = field(default_factory=dict)
    # Keeps each payload alive beside its packed form, so that ids stay its own.
    parcels: dict[int, tuple[Payload, Parcel | None]] = field(default_factory=dict)


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
        self.roster = Roster(grid, run_name)

    def gather(self, round_number: int, *, first: bool) -> dict[int, Client]:
        """Wait until enough clients are there.

        Parameters
        ----------
        round_number : int
            Round that is about to start.
        first : bool
            Whether it is the first one since the server started; enough nodes of which some
            cannot take part are then an error at once, since waiting would not mend it.

        Returns
        -------
        dict[int, Client]
            Clients that are online and agree on the task, by partition.

        Raises
        ------
        FederationError
            If ``quorum_timeout_s`` passes first.
        """
        needed = self._run.min_nodes
        started = time.monotonic()
        if not first:
            self.roster.ask_again()
        while True:
            self.roster.refresh()
            clients = self.roster.clients()
            if len(clients) >= needed and not self.roster.undecided(PATIENCE_S):
                self.roster.task()
                clients = self.roster.clients()
                if len(clients) >= needed:
                    return clients
            self._watch(round_number, "waiting for nodes", len(clients), needed)
            refusing = first and self.roster.all_answered() >= needed
            waited = time.monotonic() - started
            if refusing or waited > self._run.quorum_timeout_s:
                raise FederationError(self._too_few(round_number, len(clients), waited))
            time.sleep(_WAIT_POLL_S)

    def play(
        self,
        round_number: int,
        clients: Mapping[int, Client],
        state: object,
        task: Task,
        accepted: Mapping[int, int],
        *,
        session: Session | None = None,
    ) -> tuple[RoundRecord, dict[int, Payload]]:
        """Play one round up to, and without, aggregation.

        Parameters
        ----------
        round_number : int
            Which round, from 1.
        clients : Mapping[int, Client]
            Who is there, by partition.
        state : object
            State of the server half, from which the downlink payloads come.
        task : Task
            What the clients agree on.
        accepted : Mapping[int, int]
            Last round accepted from each client, by partition.
        session : Session | None
            Where this round's activations are exchanged; its clients take part and no others.

        Returns
        -------
        tuple[RoundRecord, dict[int, Payload]]
            What happened, and the uplink payloads sorted by partition.

        Raises
        ------
        FederationError
            If fewer than ``min_replies`` clients replied well, even after a second try; with a
            session there is none, since the exchange has changed the server's part already.
        """
        turn = _Turn(state, task, accepted, RoundRecord(round_number), session)
        if session is not None:
            self._ask(turn, _seated(session, clients), "train")
            self._require_replies(turn, "")
            return turn.record, dict(sorted(turn.uplinks.items()))
        chosen = self._choose(round_number, clients)
        self._ask(turn, chosen, "train")
        if len(turn.record.nodes) < self._run.min_replies:
            log(
                WARNING,
                "round %d: %d good replies, trying once more",
                round_number,
                len(turn.uplinks),
            )
            again = self.gather(round_number, first=False)
            silent = {p: c for p, c in again.items() if p not in turn.record.nodes}
            self._ask(turn, silent, "train")
        self._require_replies(turn, " after two tries")
        every = self._run.evaluate_every
        if every and round_number % every == 0:
            asked = {*chosen, *turn.record.nodes, *turn.record.failures}
            idle = {p: c for p, c in clients.items() if p not in asked}
            self._ask(turn, idle, "evaluate")
        return turn.record, dict(sorted(turn.uplinks.items()))

    def survey(
        self,
        record: RoundRecord,
        clients: Mapping[int, Client],
        state: object,
        task: Task,
        accepted: Mapping[int, int],
        session: Session,
    ) -> list[str]:
        """Let clients send what the server evaluates, after a round's aggregation.

        Parameters
        ----------
        record : RoundRecord
            The round; bytes and, of clients that sat it out, reports are added.
        clients, state, task, accepted : Mapping, object, Task, Mapping
            As for :meth:`play`.
        session : Session
            Where the samples are sent to.

        Returns
        -------
        list[str]
            Reasons of the clients that failed; one that took part in the round still did, and
            one that failed in the round stays failed.
        """
        turn = _Turn(state, task, accepted, RoundRecord(record.round_number), session)
        self._ask(turn, _seated(session, clients), "evaluate")
        for partition, node in turn.record.nodes.items():
            known = record.nodes.get(partition)
            if known is not None:
                record.nodes[partition] = known.with_traffic(node.uplink, node.downlink)
            elif partition not in record.failures:
                record.nodes[partition] = node
        return [reason for _, reason in sorted(turn.record.failures.items())]

    def _require_replies(self, turn: _Turn, after: str) -> None:
        record, needed = turn.record, self._run.min_replies
        if len(record.nodes) < needed:
            raise FederationError(
                f"round {record.round_number}: expected at least min-replies={needed} good "
                f"replies, got {len(record.nodes)}{after}: {_list_reasons(record.failures)}"
            )

    def _ask(self, turn: _Turn, clients: Mapping[int, Client], kind: str) -> None:
        """Send one message to each client and take in what comes back."""
        record = turn.record
        with record.timed("configure"):
            contents = {
                c.node_id: self._content(turn, partition) for partition, c in clients.items()
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
                turn.session.hopeless if turn.session else lambda: None,
            )
        with record.timed("decode"):
            for client in clients.values():
                self._take_in(turn, client, answers, contents[client.node_id], kind)

    def _content(self, turn: _Turn, partition: int) -> RecordDict:
        order = Order(
            run=self._run_name,
            round_number=turn.record.round_number,
            continue_from=turn.accepted.get(partition, 0),
        )
        payload = self._half.downlink(turn.state, partition)
        parcel = None
        if payload is not None:
            wire_dtype = self._run.wire_dtype
            # Most methods send the same object to all clients: pack it once.
            kept = turn.parcels.setdefault(id(payload), (payload, pack(payload, wire_dtype)))
            parcel = kept[1]
        invitation = turn.session.invitation(partition) if turn.session else None
        return to_record_dict(order, parcel, invitation)

    def _take_in(
        self, turn: _Turn, client: Client, answers: Answers, sent: RecordDict, kind: str
    ) -> None:
        partition, record = client.description.partition, turn.record
        try:
            if client.node_id in answers.failures:
                raise WireError(f"{client.label}: {answers.failures[client.node_id]}")
            content = answers.replies[client.node_id].content
            report, uplink = self._read(turn, client, content, learnt=kind == "train")
        except WireError as error:
            record.failures[partition] = str(error)
            log(WARNING, "round %d: failed: %s", record.round_number, error)
            return
        for note in report.notes:
            log(WARNING, "round %d: %s: %s", record.round_number, client.label, note)
        if uplink is not None:
            turn.uplinks[partition] = uplink
        record.failures.pop(partition, None)
        record.nodes[partition] = NodeRecord(
            client=client,
            report=report,
            took_part=kind == "train",
            uplink=count_bytes(content),
            downlink=count_bytes(sent),
        )

    def _read(
        self, turn: _Turn, client: Client, content: RecordDict, *, learnt: bool
    ) -> tuple[Report, Payload | None]:
        run, half, record = self._run, self._half, turn.record
        report = read_control_record(
            content, Report, sender=client.label, max_bytes=run.max_report_bytes
        )
        if report.round_number != record.round_number:
            raise WireError(
                f"{client.label}: report.round_number: expected {record.round_number}, got "
                f"{report.round_number}"
            )
        if not half.exchanges and not report.test_samples:
            raise WireError(f"{client.label}: report.test_samples: expected at least 1, got 0")
        kind = half.uplink if learnt else None
        uplink = read_payload(
            content, Report, kind, turn.task, wire_dtype=run.wire_dtype, sender=client.label
        )
        if kind is not None and uplink is None:
            raise WireError(f"{client.label}: expected {kind.schema}, got no payload")
        if uplink is not None:
            half.check(client.description.partition, uplink)
        return report, uplink

    def _choose(self, round_number: int, clients: Mapping[int, Client]) -> dict[int, Client]:
        partitions = sorted(clients)
        count = max(1, round(self._run.participation * len(partitions)))
        if count == len(partitions):
            return dict(clients)
        generator = seeds.generator(self._run.seed, "participation", round_number=round_number)
        order = torch.randperm(len(partitions), generator=generator).tolist()
        return {partitions[i]: clients[partitions[i]] for i in sorted(order[:count])}

    def _too_few(self, round_number: int, found: int, waited: float) -> str:
        reasons = _list_reasons(self.roster.failures) or "none"
        return (
            f"round {round_number}: expected min-nodes={self._run.min_nodes} nodes that can take "
            f"part, got {found} after {waited:.0f} s; nodes that cannot: {reasons}. The run is "
            f"saved up to its last complete round: mend the nodes, then start it again with "
            f"run-name={self._run_name!r} and resume=true"
        )


def _seated(session: Session, clients: Mapping[int, Client]) -> dict[int, Client]:
    return {partition: clients[partition] for partition in session.partitions}


def _list_reasons(failures: Mapping[int, str]) -> str:
    return "; ".join(failures[key] for key in sorted(failures))
