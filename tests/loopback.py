"""A federation in one process: a grid that hands messages straight to the ClientApp.

Contents are serialised and read back on the way, so that the halves cannot share tensors
by accident and everything that could not travel fails here too.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread
from typing import Any, final
from unittest.mock import patch

from flwr.app import Context, Error, Message, RecordDict
from flwr.serverapp import Grid
from flwr.supercore.run import Run as FlowerRun

import server_app.main
from local_federation.engine.answering import answer_copied, identify
from strategies.common.payload import Payload
from strategies.common.run_config import default_config
from strategies.common.transport import envelope
from tests.answering import ForkServer, StandIns

Config = Mapping[str, bool | int | float | str]
# Sees every reply with its node id; returns what arrives, or None for a reply that is lost.
Tamper = Callable[[int, Message], Message | None]


def pass_on(node_id: int, reply: Message) -> Message | None:
    """Change nothing."""
    return reply


@final
@dataclass
class LoopbackGrid(Grid):
    """Nodes 100, 101, …, one per partition, that answer at once.

    Attributes
    ----------
    config : Config
        Run config that every node sees.
    node_configs : dict[int, Config]
        Node config of each node.
    tamper : Tamper
        What happens to replies on their way.
    offline : set[int]
        Nodes that are not connected.
    sent : list[Message]
        Every message that was pushed, with every reply that arrived in ``arrived``.
    fork_server : ForkServer | None
        Answers each message to the first node in a process of its own; ``None`` answers all in
        this one.
    stand_ins : StandIns
        What is replaced in those processes.
    """

    config: Config
    node_configs: dict[int, Config]
    tamper: Tamper = pass_on
    offline: set[int] = field(default_factory=set)
    sent: list[Message] = field(default_factory=list)
    arrived: list[Message] = field(default_factory=list)
    fork_server: ForkServer | None = None
    stand_ins: StandIns = field(default_factory=dict)
    _waiting: dict[str, Message] = field(default_factory=dict)
    _at_work: list[Thread] = field(default_factory=list)

    def set_run(self, run: FlowerRun) -> None:
        raise AssertionError("the loopback grid has one run")

    @property
    def run(self) -> FlowerRun:
        raise AssertionError("the loopback grid has one run")

    def create_message(self, *args: Any, **kwargs: Any) -> Message:
        raise AssertionError("deprecated in Flower")

    def get_node_ids(self) -> Iterable[int]:
        return [node_id for node_id in self.node_configs if node_id not in self.offline]

    def push_messages(self, messages: Iterable[Message]) -> Iterable[str]:
        return [self._push(message) for message in messages]

    def pull_messages(self, message_ids: Iterable[str]) -> Iterable[Message]:
        found = [self._waiting.pop(key) for key in list(message_ids) if key in self._waiting]
        self.arrived += found
        return found

    def join(self) -> None:
        """Wait for clients that are still at work after the run, e.g. ones given up on."""
        for thread in self._at_work:
            thread.join(timeout=60)

    def send_and_receive(
        self, messages: Iterable[Message], *, timeout: float | None = None
    ) -> Iterable[Message]:
        raise AssertionError("too slow when deployed")

    def _push(self, message: Message) -> str:
        message_id = str(len(self.sent))
        message.metadata.__dict__["_message_id"] = message_id
        self.sent.append(message)
        if "invitation" in message.content:
            # Clients that exchange activations within a round wait for each other.
            thread = Thread(target=self._reply, args=(message, message_id), daemon=True)
            self._at_work.append(thread)
            thread.start()
        else:
            self._reply(message, message_id)
        return message_id

    def _reply(self, message: Message, message_id: str) -> None:
        reply = self.tamper(message.metadata.dst_node_id, self._answer(message))
        if reply is not None:
            self._waiting[message_id] = reply

    def _answer(self, message: Message) -> Message:
        node_id = message.metadata.dst_node_id
        if node_id in self.offline:
            return Message(Error(5, "node unavailable"), reply_to=message)
        context = Context(
            run_id=1,
            node_id=node_id,
            node_config=dict(self.node_configs[node_id]),
            state=RecordDict(),
            run_config=dict(self.config),
        )
        if self.fork_server is None or node_id != min(self.node_configs):
            return answer_copied(message, context)
        return self.fork_server.answer(message, context, self.stand_ins)


@final
@dataclass
class Federation:
    """A run over loopback in a temporary folder.

    Attributes
    ----------
    folder : Path
        Holds ``runs`` and ``state``.
    num_clients : int
        Nodes and partitions.
    overrides : Config
        Settings that differ from the defaults.
    report : bool
        Whether to write the report page, which takes longer than a tiny round.
    arrival_s : float
        How long a run waits for nodes that may be on their way, where others cannot take part.

    Attributes
    ----------
    encoded : Counter[str]
        How often payloads of each schema were encoded, by server and clients of this process.
    """

    folder: Path
    num_clients: int
    overrides: Config
    report: bool = False
    arrival_s: float = 0.0
    encoded: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.config = {
            **default_config(),
            "min-nodes": self.num_clients,
            "runs-dir": str(self.folder / "runs"),
            "state-dir": str(self.folder / "state"),
            "run-name": "test",
            "device": "cpu",
            "server-device": "cpu",
            "quorum-timeout-s": 2.0,
            "round-deadline-s": 60.0,
            **self.overrides,
        }
        nodes = {
            100 + partition: {"partition-id": partition, "num-partitions": self.num_clients}
            for partition in range(self.num_clients)
        }
        self.grid = LoopbackGrid(self.config, nodes)

    @property
    def run_folder(self) -> Path:
        """Folder of the run."""
        return Path(str(self.config["runs-dir"])) / str(self.config["run-name"])

    def play(self) -> list[dict[str, Any]]:
        """Run the ServerApp to its end and return the lines of the journal."""
        identify()
        context = Context(
            run_id=1, node_id=1, node_config={}, state=RecordDict(), run_config=dict(self.config)
        )
        paged = nullcontext() if self.report else patch("server_app.run.page.write_report")
        arriving = patch("server_app.gathering.ARRIVAL_S", self.arrival_s)
        with paged, arriving, self._counting():
            try:
                server_app.main.app(self.grid, context)
            finally:
                self.grid.join()
        return self.lines()

    @contextmanager
    def _counting(self) -> Iterator[None]:
        encode = envelope.encode

        def counted(payload: Payload, wire_dtype: str) -> bytes:
            self.encoded[payload.schema] += 1
            return encode(payload, wire_dtype)

        with patch.object(envelope, "encode", counted):
            yield

    def lines(self) -> list[dict[str, Any]]:
        """Return the lines of the journal."""
        text = (self.run_folder / "rounds.jsonl").read_text()
        return [json.loads(line) for line in text.splitlines()]


def without_clocks(value: Any) -> Any:
    """Return a journal line without what differs between equal runs: seconds and figures."""
    if isinstance(value, dict):
        measured = ("seconds", "figures")
        return {k: without_clocks(v) for k, v in value.items() if k not in measured}
    if isinstance(value, list):
        return [without_clocks(entry) for entry in value]
    return value
