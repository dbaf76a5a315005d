"""Who is there: which node is which client, and what all of them agree on.

Node ids say nothing about the client behind them, and a device that restarts without a
key of its own comes back under another id. So every new id is asked once to describe
itself, and clients are known by their partition from then on.
"""

import time
from dataclasses import dataclass
from logging import INFO, WARNING
from typing import Final, final

from flwr.app import Message, RecordDict
from flwr.common.logger import log
from flwr.serverapp import Grid

from server_app.agreement import Agreement
from server_app.exchange import Question
from strategies.common.errors import WireError
from strategies.common.settings import RunConfig
from strategies.common.task import Task
from strategies.common.transport.control import Description, Order
from strategies.common.transport.envelope import read_control_record, to_record_dict

# A description with ten thousand class names still fits.
MAX_DESCRIPTION_BYTES = 1 << 20

# Devices read the run config, as the server does, unless a program of one's own gives settings.
NOTHING_GIVEN: Final[RunConfig] = {}

_REPLACED = "replaced by node"
# Of those who made the same note.
_NAMED_CLIENTS = 10


@final
@dataclass(frozen=True)
class Client:
    """A client that can be asked to take part.

    Attributes
    ----------
    node_id : int
        Flower's id of the node that carries it.
    description : Description
        What it said of itself.
    """

    node_id: int
    description: Description

    @property
    def label(self) -> str:
        """How messages name this client."""
        return f"client {self.description.partition} ({self.description.model})"


@final
class Roster:
    """The clients of a run.

    Parameters
    ----------
    grid : Grid
        Flower's connection to the nodes.
    run_name : str
        Name of the run.
    private_classes : bool
        Whether every client has classes of its own, so that their number may differ.
    given : RunConfig
        Settings that devices are told.

    Attributes
    ----------
    failures : dict[int, str]
        Why a connected node cannot take part, by node id.
    """

    def __init__(
        self,
        grid: Grid,
        run_name: str,
        *,
        private_classes: bool = False,
        given: RunConfig = NOTHING_GIVEN,
    ) -> None:
        self._grid = grid
        self._agreement = Agreement(private_classes=private_classes)
        self._order = Order(run=run_name, round_number=0, continue_from=0, given=dict(given))
        self._questions: list[Question] = []
        self._asked_again: set[int] = set()
        self._by_node: dict[int, Client] = {}
        self._online: set[int] = set()
        self._task: Task | None = None
        self._noted: set[tuple[int, str]] = set()
        self.failures: dict[int, str] = {}

    def refresh(self) -> None:
        """Ask new nodes who they are and take in what has been answered."""
        self._online = set(self._grid.get_node_ids())
        asked = {node for question in self._questions for node in question.waiting_for}
        new = self._online - set(self._by_node) - set(self.failures) - asked
        if new:
            content = to_record_dict(self._order, None)
            messages = [Message(content, node_id, "query") for node_id in sorted(new)]
            self._questions.append(Question(self._grid, messages))
        for question in self._questions:
            question.poll()
            self._take_in(question)
        self._tell_notes()
        self._questions = [question for question in self._questions if question.waiting_for]

    def all_answered(self) -> int:
        """Return how many nodes are online if every one has answered, else 0."""
        undecided = any(question.waiting_for & self._online for question in self._questions)
        replaced = {node for node, reason in self.failures.items() if _REPLACED in reason}
        return 0 if undecided else len(self._online - replaced)

    def ask_again(self) -> None:
        """Give nodes that could not describe themselves another chance, without waiting."""
        excused = {node for node, reason in self.failures.items() if _REPLACED not in reason}
        self._asked_again |= excused
        for node_id in excused:
            del self.failures[node_id]

    def clients(self) -> dict[int, Client]:
        """Return the clients that are online and agree on the task, by partition."""
        online = [client for node, client in self._by_node.items() if node in self._online]
        return {
            client.description.partition: client
            for client in sorted(online, key=lambda client: client.description.partition)
        }

    def undecided(self, patience_s: float) -> bool:
        """Tell whether a node was asked less than ``patience_s`` ago and has not answered."""
        now = time.monotonic()
        return any(
            question.waiting_for & self._online - self._asked_again
            and now - question.started < patience_s
            for question in self._questions
        )

    def task(self) -> Task:
        """Return the task that the clients agree on, fixed from the first call on.

        The shape and the meaning that most clients have are the task's; the others are put
        among the failures. Feature widths may differ: the task's is 0 then.
        """
        if self._task is None:
            described = [client.description for client in self._by_node.values()]
            self._task = self._agreement.reach(described)
            for client in list(self._by_node.values()):
                self._refuse_stranger(client)
        return self._task

    def fix_task(self, task: Task) -> None:
        """Set the task that a resumed run began with."""
        self._task = task

    def _take_in(self, question: Question) -> None:
        answers = question.answers
        for node_id in list(answers.replies):
            self._register(node_id, answers.replies.pop(node_id).content)
        for node_id in list(answers.failures):
            self._fail(node_id, f"node {node_id}: {answers.failures.pop(node_id)}")

    def _tell_notes(self) -> None:
        """Log what clients noted of their data and models, each note once with all who made it."""
        noted: dict[str, list[str]] = {}
        for partition, client in self.clients().items():
            for note in client.description.notes:
                if (partition, note) not in self._noted:
                    self._noted.add((partition, note))
                    noted.setdefault(note, []).append(str(partition))
        for note, clients in noted.items():
            named = ", ".join(clients[:_NAMED_CLIENTS])
            more = f" and {len(clients) - _NAMED_CLIENTS} more" * (len(clients) > _NAMED_CLIENTS)
            what = "client" if len(clients) == 1 else "clients"
            log(WARNING, "%s %s%s: %s", what, named, more, note)

    def _register(self, node_id: int, content: RecordDict) -> None:
        try:
            description = read_control_record(
                content, Description, sender=f"node {node_id}", max_bytes=MAX_DESCRIPTION_BYTES
            )
        except WireError as error:
            self._fail(node_id, str(error))
            return
        client = Client(node_id, description)
        for other in list(self._by_node.values()):
            if other.description.partition == description.partition:
                del self._by_node[other.node_id]
                self.failures[other.node_id] = f"{_REPLACED} {node_id}"
                log(
                    WARNING if other.node_id in self._online else INFO,
                    "%s: node %s takes over from node %s",
                    client.label,
                    node_id,
                    other.node_id,
                )
        self._by_node[node_id] = client
        if self._task is not None:
            self._refuse_stranger(client)

    def _refuse_stranger(self, client: Client) -> None:
        if self._task is None:
            return
        if objection := self._agreement.objection(self._task, client.description):
            self._drop(client, objection)

    def _drop(self, client: Client, reason: str) -> None:
        del self._by_node[client.node_id]
        self._fail(client.node_id, f"{client.label}: {reason}")

    def _fail(self, node_id: int, reason: str) -> None:
        self.failures[node_id] = reason
        log(WARNING, "%s; it cannot take part", reason)
