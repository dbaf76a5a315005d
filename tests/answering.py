"""What a node does with a message: in this process, or in one that ends with its reply."""

import os
import signal
import socket
import subprocess
import sys
import traceback
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from importlib import import_module
from multiprocessing.connection import Connection
from pathlib import Path
from typing import final
from unittest.mock import patch

from flwr.app import Context, Error, Message
from flwr.common.serde import (
    context_from_proto,
    context_to_proto,
    message_from_proto,
    message_to_proto,
    recorddict_from_proto,
    recorddict_to_proto,
)
from flwr.proto.message_pb2 import Context as ProtoContext
from flwr.proto.message_pb2 import Message as ProtoMessage
from flwr.supercore.task_identity import TaskIdentity

import client_app.main

CLIENT_RAISED = 2
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


def answer(message: Message, context: Context) -> Message:
    """Hand a copy of a message to the ClientApp; what it raises becomes an error reply."""
    content = recorddict_from_proto(recorddict_to_proto(message.content))
    # Flower declares other ways only, but takes this one.
    arrived = Message(content, metadata=message.metadata)  # type: ignore[call-overload]
    try:
        reply = client_app.main.app(arrived, context)
    except Exception as error:
        return Message(Error(CLIENT_RAISED, f"{type(error)}:<'{error}'>"), reply_to=message)
    sent = recorddict_from_proto(recorddict_to_proto(reply.content))
    return Message(sent, reply_to=message)


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
            for sent in (message_to_proto(message), context_to_proto(context)):
                pipe.send_bytes(sent.SerializeToString())
            pipe.send(dict(stand_ins))
            return message_from_proto(ProtoMessage.FromString(pipe.recv_bytes()))

    def close(self) -> None:
        """End the process, which stops when nobody can ask any more."""
        self._door.close()
        self._process.wait(timeout=30)


def serve(door: socket.socket) -> None:
    """Fork for each pipe that comes in, until the other side is gone."""
    for module in PRELOADED:
        import_module(module)
    # Children that ended need no waiting for.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        asked, handles, *_ = socket.recv_fds(door, 1, 1)
        if not asked:
            return
        if os.fork() == 0:
            try:
                _answer_once(Connection(handles[0]))
            except BaseException:
                traceback.print_exc()
            finally:
                # The parent's own clean-up is not for its children to do.
                os._exit(0)
        os.close(handles[0])


def _answer_once(pipe: Connection) -> None:
    message = message_from_proto(ProtoMessage.FromString(pipe.recv_bytes()))
    context = context_from_proto(ProtoContext.FromString(pipe.recv_bytes()))
    TaskIdentity.run_id, TaskIdentity.node_id, TaskIdentity.task_id = 1, 1, 1
    with standing_in(pipe.recv()):
        reply = answer(message, context)
    pipe.send_bytes(message_to_proto(reply).SerializeToString())


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))
