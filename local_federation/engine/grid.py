"""A grid within one process: messages go to workers, and replies are there when asked for."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Executor, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import Any, ParamSpec, TypeVar, final

from flwr.app import Context, Message, RecordDict
from flwr.serverapp import Grid
from flwr.supercore.run import Run

from local_federation.engine.agenda import Agenda
from strategies.common.transport.envelope import INVITATION

# Whoever answers messages for the nodes: what it returns reads the reply, once the node is done.
Answer = Callable[[Message, Context], Callable[[], Message]]
Config = Mapping[str, bool | int | float | str]
_Arguments = ParamSpec("_Arguments")
_Given = TypeVar("_Given")


@final
class EngineGrid(Grid):
    """Nodes 1, 2, …, one per partition, that are always there.

    Parameters
    ----------
    config : Config
        Run config that every node sees.
    num_nodes : int
        How many there are.
    answer : Answer
        Answers a message to a node; called by threads. Its reply is read while the next message
        is answered.
    at_once : int
        How many nodes may be at work at once; 0 lets the thread that sends a message answer it,
        but for nodes that are invited to exchange activations, which wait for each other.
    """

    def __init__(self, config: Config, num_nodes: int, answer: Answer, at_once: int) -> None:
        self._config = dict(config)
        self._num_nodes = num_nodes
        self._answer = answer
        self._threads, self._readers = (_threads(at_once, name) for name in ("node", "reader"))
        # Its threads begin when it is first used.
        self._invited = self._threads if at_once else ThreadPoolExecutor(num_nodes, "node")
        self._agenda = Agenda(at_once or 1)
        self._asked: dict[str, tuple[Message, Future[Message]]] = {}
        self._answers: dict[str, Future[Message]] = {}
        self._sent = 0

    def close(self) -> None:
        """Forget what was not begun, and wait for what was."""
        for threads in (self._threads, self._invited, self._readers):
            threads.shutdown(cancel_futures=True)

    def set_run(self, run: Run) -> None:
        """Do nothing: there is one run."""

    @property
    def run(self) -> Run:
        """Not known here.

        Raises
        ------
        NotImplementedError
            Always: Flower's record of runs belongs to a SuperLink.
        """
        raise NotImplementedError("engine: expected the run's config alone, not Flower's record")

    def create_message(self, *_: Any, **__: Any) -> Message:
        """Not known here.

        Raises
        ------
        NotImplementedError
            Always: Flower has deprecated it.
        """
        raise NotImplementedError("engine: expected Message(...), which replaces create_message")

    def get_node_ids(self) -> Iterable[int]:
        """Return the ids of all nodes."""
        return range(1, self._num_nodes + 1)

    def push_messages(self, messages: Iterable[Message]) -> Iterable[str]:
        """Hand messages to whoever answers them, and return their ids."""
        asked = {self._name(message): message for message in messages}
        for key, message in asked.items():
            self._answers[key] = Future()
            self._asked[key] = message, self._answers[key]
        self._agenda.add((key, _kind(message)) for key, message in asked.items())
        for message in asked.values():
            threads = self._invited if INVITATION in message.content else self._threads
            threads.submit(self._work)
        return list(asked)

    def pull_messages(self, message_ids: Iterable[str]) -> Iterable[Message]:
        """Return the replies that are there, each once."""
        ready = [key for key in message_ids if key in self._answers and self._answers[key].done()]
        return [self._answers.pop(key).result() for key in ready]

    def wait_for_replies(self, message_ids: Iterable[str], timeout_s: float) -> None:
        """Return once all replies to some messages are there, or after a while."""
        wait([self._answers[key] for key in message_ids if key in self._answers], timeout_s)

    def send_and_receive(
        self, messages: Iterable[Message], *, timeout: float | None = None
    ) -> Iterable[Message]:
        """Send messages and wait for all replies that come in time.

        Parameters
        ----------
        messages : Iterable[Message]
            What to send.
        timeout : float | None
            Longest wait in seconds for each reply; ``None`` waits for ever.
        """
        found = []
        for key in self.push_messages(messages):
            future = self._answers.pop(key)
            try:
                found.append(future.result(timeout))
            except TimeoutError:
                future.cancel()
        return found

    def _name(self, message: Message) -> str:
        self._sent += 1
        message.metadata.__dict__["_message_id"] = str(self._sent)
        return str(self._sent)

    def _work(self) -> None:
        """Let the node answer whose turn it is."""
        key = self._agenda.begin()
        message, replied = self._asked.pop(key)
        try:
            if replied.set_running_or_notify_cancel():
                with _told(replied):
                    read = self._answer(message, self._context(message.metadata.dst_node_id))
                    self._readers.submit(_read, read, replied)
        finally:
            self._agenda.end(key)

    def _context(self, node: int) -> Context:
        return Context(
            run_id=1,
            node_id=node,
            node_config={"partition-id": node - 1, "num-partitions": self._num_nodes},
            state=RecordDict(),
            run_config=self._config,
        )


def _kind(message: Message) -> tuple[str, int]:
    """Return what messages have in common that a node answers in about the same time."""
    return message.metadata.message_type, message.metadata.dst_node_id


def _threads(at_once: int, name: str) -> Executor:
    return ThreadPoolExecutor(at_once, thread_name_prefix=name) if at_once else _SameThread()


def _read(read: Callable[[], Message], replied: Future[Message]) -> None:
    with _told(replied):
        replied.set_result(read())


@contextmanager
def _told(replied: Future[Message]) -> Iterator[None]:
    """Let whoever waits for a reply have what is raised in its place."""
    try:
        yield
    except BaseException as error:
        replied.set_exception(error)
        raise


@final
class _SameThread(Executor):
    """Does what it is given at once; what that raises comes out there and then."""

    def submit(
        self,
        fn: Callable[_Arguments, _Given],
        /,
        *args: _Arguments.args,
        **kwargs: _Arguments.kwargs,
    ) -> Future[_Given]:
        """Return what is done already."""
        done: Future[_Given] = Future()
        done.set_result(fn(*args, **kwargs))
        return done
