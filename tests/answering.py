"""What a node does with a message: in this process, or in one that ends with its reply."""

import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from importlib import import_module
from multiprocessing.connection import Connection
from pathlib import Path
from typing import final
from unittest.mock import patch

from flwr.app import Context, Message

from local_federation.engine.answering import identify
from local_federation.engine.worker import answer_next, ask, fork_for_each

ROOT = Path(__file__).parents[1]

# What devices import when they first need it, which would cost every process seconds.
PRELOADED = ("peft", "torchvision.transforms.v2")

# Functions of the app by dotted name, and what makes the value that each then returns,
# as "module:name".
StandIns = Mapping[str, str]


@contextmanager
def standing_in(stand_ins: StandIns) -> Iterator[None]:
    """Replace functions of the app."""
    with ExitStack() as stack:
        for function, maker in stand_ins.items():
            module, name = maker.split(":")
            value = getattr(import_module(module), name)()
            stack.enter_context(patch(function, return_value=value))
        yield


@final
class ForkServer:
    """A process that has imported the ClientApp and forks itself once per message.

    The tests' own process is not forked: a child would inherit locks of its threads and of
    its gRPC servers.
    """

    def __init__(self) -> None:
        self._door, theirs = socket.socketpair()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.answering", str(theirs.fileno())],
            cwd=ROOT,
            pass_fds=[theirs.fileno()],
        )
        theirs.close()

    def answer(self, message: Message, context: Context, stand_ins: StandIns) -> Message:
        """Let a new process answer a message; threads may ask at the same time."""
        ours, theirs = socket.socketpair()
        with Connection(ours.detach()) as pipe:
            socket.send_fds(self._door, [b"."], [theirs.fileno()])
            theirs.close()
            pipe.send(dict(stand_ins))
            return ask(pipe, message, context)()

    def close(self) -> None:
        """End the process; nobody can ask any more, and its own farewell takes seconds."""
        self._door.close()
        self._process.kill()
        self._process.wait(timeout=30)


def serve(door: socket.socket) -> None:
    """Fork for each pipe that comes in, until the other side is gone."""
    for module in PRELOADED:
        import_module(module)
    fork_for_each(door, _answer_once)


def _answer_once(pipe: Connection, _: str) -> None:
    identify()
    with standing_in(pipe.recv()):
        answer_next(pipe)


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))
