"""The pool of worker processes: who answers next, and who takes the place of one that died."""

import os
import queue
import signal
import socket
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from threading import Lock
from types import TracebackType
from typing import Self, final

from flwr.app import Context, Error, Message

from local_federation.engine.parent import end_with_parent
from local_federation.engine.worker import ask, be_worker, fork_for_each

_WORKER_DIED = 100


@final
@dataclass(eq=False)
class _Worker:
    number: int
    pid: int
    pipe: Connection


@final
class Workers:
    """Processes that answer messages; made before a program starts any thread.

    Parameters
    ----------
    count : int
        How many are at work at once, at least 1.
    gpus_per_worker : float
        Part of a GPU that each has, or number of GPUs; 0 lets each see all of them.
    """

    def __init__(self, count: int, gpus_per_worker: float = 0.0) -> None:
        self._gpus_per_worker = gpus_per_worker
        self._door, theirs = socket.socketpair()
        parent, self._forking = os.getpid(), os.fork()
        if self._forking == 0:
            self._door.close()
            end_with_parent(parent)
            # Ctrl-C reaches every process of a terminal: the one that plays ends the others.
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            try:
                fork_for_each(theirs, be_worker)
            finally:
                os._exit(0)
        theirs.close()
        self._lock = Lock()
        self._idle: queue.SimpleQueue[_Worker] = queue.SimpleQueue()
        self._every: dict[int, _Worker] = {}
        for number in range(count):
            self._idle.put(self._fork(number))

    def __enter__(self) -> Self:
        """Return the pool."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End all workers."""
        self.close()

    @property
    def pids(self) -> list[int]:
        """Ids of the processes at work."""
        return [worker.pid for worker in self._every.values()]

    def answer(self, message: Message, context: Context) -> Callable[[], Message]:
        """Let the next worker that is free answer; any number of threads may ask.

        A worker that dies fails its message, and another takes its place.

        Returns
        -------
        Callable[[], Message]
            Reads the reply, while the worker may be at work for another.
        """
        worker = self._idle.get()
        try:
            return ask(worker.pipe, message, context)
        except (EOFError, OSError):
            worker.pipe.close()
            reason = (
                f"worker process {worker.pid} died while it was at work for this client; it may "
                f"have run out of memory"
            )
            worker = self._fork(worker.number)
            died = Message(Error(_WORKER_DIED, reason), reply_to=message)
            return lambda: died
        finally:
            self._idle.put(worker)

    def close(self) -> None:
        """End all workers, ones at work as a power cut would."""
        self._door.close()
        for worker in self._every.values():
            worker.pipe.close()
        os.waitpid(self._forking, 0)

    def _fork(self, number: int) -> _Worker:
        ours, theirs = socket.socketpair()
        pipe = Connection(ours.detach())
        with self._lock:
            socket.send_fds(self._door, [self._gpus(number).encode()], [theirs.fileno()])
            theirs.close()
            self._every[number] = _Worker(number, pipe.recv(), pipe)
        return self._every[number]

    def _gpus(self, number: int) -> str:
        if not self._gpus_per_worker:
            return "all"
        first = int(number * self._gpus_per_worker)
        last = max(first + 1, int((number + 1) * self._gpus_per_worker))
        return ",".join(map(str, range(first, last)))
