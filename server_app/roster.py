"""Who is there: which node is which client, and what all of them agree on.

Node ids say nothing about the client behind them, and a device that restarts without a
key of its own comes back under another id. So every new id is asked to describe itself, and
clients are known by their partition from then on. One with a key comes back under its own id,
and is asked again: it may have been given other data, or another partition, meanwhile.

Of two nodes that say they are the same client the first counts, for as long as it is connected
and answers. The other waits, and is asked again once the first has gone or fell silent. A device
with a key of its own keeps its id, so that no other can be taken for it.
"""

import time
from collections.abc import Iterable
from logging import INFO, WARNING
from typing import Final, final

from flwr.app import Message
from flwr.common.logger import log
from flwr.serverapp import Grid

from server_app.agreement import Agreement
from server_app.answers import Answers, reading
from server_app.client import Client
from server_app.exchange import Question
from server_app.plausible import Plausible
from strategies.common.errors import WireError
from strategies.common.run_config import RunConfig
from strategies.common.task import Task
from strategies.common.transport.control import Description, Order
from strategies.common.transport.envelope import read_control_record, to_record_dict

# A description with ten thousand class names still fits.
MAX_DESCRIPTION_BYTES = 1 << 20

# Devices read the run config, as the server does, unless a program of one's own gives settings.
NOTHING_GIVEN: Final[RunConfig] = {}

# Of those who made the same note.
_NAMED_CLIENTS = 10
# A node says who it is within seconds; where the question is lost it is sent again well within the
# minute in which a round waits for it.
_QUERY_PATIENCE_S: Final = 20.0


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
    carried : int
        Logical clients that every node carries.
    feature_dim : int
        Width of all clients' features, where the run sets one.

    Attributes
    ----------
    order : Order
        What goes with every question who a node is.
    failures : dict[int, str]
        Why a connected node cannot take part, by node id.
    heard : int
        Answers to the question who they are, of all nodes together.
    """

    def __init__(
        self,
        grid: Grid,
        run_name: str,
        *,
        private_classes: bool = False,
        given: RunConfig = NOTHING_GIVEN,
        carried: int = 1,
        feature_dim: int = 0,
    ) -> None:
        self._grid = grid
        self._plausible = Plausible(carried)
        self._agreement = Agreement(private_classes=private_classes, feature_dim=feature_dim)
        self.order = Order(run=run_name, round_number=0, continue_from=0, given=dict(given))
        self._questions: list[Question] = []
        self._asked_again: set[int] = set()
        self._by_node: dict[int, Client] = {}
        self._online: set[int] = set()
        self._task: Task | None = None
        self._begun = False
        self._noted: set[tuple[int, str]] = set()
        self._silent: set[int] = set()
        # Nodes that say they are a client which another node is, with that node.
        self._behind: dict[int, int] = {}
        # Every client that ever described itself, and by which node last.
        self._known: dict[int, tuple[int, str]] = {}
        self.failures: dict[int, str] = {}
        self.heard = 0

    def refresh(self) -> None:
        """Ask new nodes who they are and take in what has been answered."""
        online = set(self._grid.get_node_ids())
        for node_id in online - self._online:
            self.doubt(node_id)
            # Under a key of its own it comes back as the node that was refused, and may be mended.
            self.failures.pop(node_id, None)
            self._behind.pop(node_id, None)
        self._online = online
        for node_id, holder in list(self._behind.items()):
            if not self._holds(holder):
                del self._behind[node_id]
                self.failures.pop(node_id, None)
        asked = {node for question in self._questions for node in question.waiting_for}
        new = self._online - set(self._by_node) - set(self.failures) - asked
        if new:
            content = to_record_dict(self.order, None)
            messages = [Message(content, node_id, "query") for node_id in sorted(new)]
            self._questions.append(Question(self._grid, messages, lambda _: _QUERY_PATIENCE_S))
        for question in self._questions:
            question.poll()
            self._take_in(question)
        self._tell_notes()
        self._questions = [question for question in self._questions if question.waiting_for]

    def all_answered(self) -> int:
        """Return how many nodes are online if every one has answered, else 0."""
        undecided = any(question.waiting_for & self._online for question in self._questions)
        return 0 if undecided else len(self._online - self._behind.keys())

    def ask_again(self) -> None:
        """Give nodes that could not describe themselves another chance, without waiting."""
        excused = self.failures.keys() - self._behind.keys()
        self._asked_again |= excused
        for node_id in excused:
            del self.failures[node_id]

    def take_note(self, answers: Answers) -> None:
        """Remember which nodes answered a message of a round, and which did not."""
        self._silent -= answers.replies.keys() | answers.failures.keys()
        self._silent |= answers.silent
        for node_id in answers.replies.keys() & self._by_node.keys():
            self._plausible.take_note(self._by_node[node_id].description)

    def doubt(self, node_id: int) -> None:
        """Ask a node again who it is, before it takes part again."""
        self._by_node.pop(node_id, None)

    def absent(self, accepted: Iterable[int]) -> dict[int, str]:
        """Return why clients that were there before are not, by partition.

        Parameters
        ----------
        accepted : Iterable[int]
            Clients of which a round was accepted, before the server started as well.
        """
        there = self.clients()
        found = {}
        for partition in sorted({*accepted, *self._known} - there.keys()):
            node_id, label = self._known.get(partition, (0, f"client {partition}"))
            reason = f"{label}: not connected when the round began"
            found[partition] = self.failures.get(node_id, reason)
        return found

    def strangers(self) -> list[str]:
        """Return why connected nodes take no part that are no client which is known."""
        known = {node_id for node_id, _ in self._known.values()}
        left = sorted((self.failures.keys() & self._online) - known)
        told = ((f"node {node_id}: ", self.failures[node_id]) for node_id in left)
        return [name + reason.removeprefix(name) for name, reason in told]

    def renew(self, client: Client, answer: Message) -> str | None:
        """Take in what a client says of itself anew, or return why it stays what it was."""
        try:
            told = _description(answer, client.label).partition
        except WireError as error:
            return str(error)
        if told != (own := client.description.partition):
            return f"{client.label}: description.partition: expected {own}, got {told}"
        self._register(client.node_id, answer)
        return self.failures.get(client.node_id)

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
        self._task, self._begun = task, True

    def _take_in(self, question: Question) -> None:
        answers = question.answers
        self.heard += len(answers.replies) + len(answers.failures)
        for node_id in list(answers.replies):
            self._register(node_id, answers.replies.pop(node_id))
        for node_id in list(answers.failures):
            told = f"node {node_id}: {answers.failures.pop(node_id)}"
            if node_id in answers.gone:
                # Not a failure: it is asked as soon as it is back, and waited for until then.
                log(WARNING, "%s; it is asked again when it is back", told)
            else:
                self._fail(node_id, told)

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

    def _register(self, node_id: int, answer: Message) -> None:
        try:
            description = _description(answer, f"node {node_id}")
        except WireError as error:
            self._fail(node_id, str(error))
            return
        client, partition = Client(node_id, description), description.partition
        others = (own for node, own in self._by_node.items() if node != node_id)
        holder = next((own for own in others if own.description.partition == partition), None)
        if holder is not None and self._holds(holder.node_id):
            self._behind[node_id] = holder.node_id
            self._fail(
                node_id,
                f"node {node_id}: {client.label}: expected one node with partition-id "
                f"{partition}, got a second one beside node {holder.node_id}, which is connected "
                f"and answers; give each a partition-id of its own",
            )
            return
        if holder is not None:
            self._replace(holder, client)
        self._silent.discard(node_id)
        self._by_node[node_id] = client
        self._known[partition] = node_id, client.label
        self._refuse_stranger(client)

    def _holds(self, node_id: int) -> bool:
        """Tell whether a node is a client of which no other node may take the place."""
        return node_id in self._by_node and node_id in self._online - self._silent

    def _replace(self, holder: Client, client: Client) -> None:
        del self._by_node[holder.node_id]
        self._behind[holder.node_id] = client.node_id
        self.failures[holder.node_id] = f"replaced by node {client.node_id}"
        log(
            WARNING if holder.node_id in self._online else INFO,
            "%s: node %s takes over from node %s",
            client.label,
            client.node_id,
            holder.node_id,
        )

    def _refuse_stranger(self, client: Client) -> None:
        if self._task is None:
            return
        told = client.description
        objection = self._agreement.objection(self._task, told, begun=self._begun)
        every = [own.description for own in self._by_node.values()]
        if objection := objection or self._plausible.objection(told, every):
            self._drop(client, objection)

    def _drop(self, client: Client, reason: str) -> None:
        del self._by_node[client.node_id]
        self._fail(client.node_id, f"{client.label}: {reason}")

    def _fail(self, node_id: int, reason: str) -> None:
        self.failures[node_id] = reason
        log(WARNING, "%s; it cannot take part", reason)


def _description(answer: Message, sender: str) -> Description:
    with reading(sender):
        return read_control_record(
            answer.content, Description, sender=sender, max_bytes=MAX_DESCRIPTION_BYTES
        )
