"""A process that answers messages for nodes in turn, and the one that forks it.

Importing torch and Flower takes seconds, a fork milliseconds. The process that forks has
imported what clients need and has started no thread, and it forks itself for every worker,
also for one that takes the place of another that died.
"""

import gc
import os
import signal
import socket
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection

from flwr.app import Context, Error, Message
from flwr.common.serde import (
    context_from_proto,
    context_to_proto,
    message_from_proto,
    message_to_proto,
)
from flwr.proto.message_pb2 import Context as ProtoContext
from flwr.proto.message_pb2 import Message as ProtoMessage

from local_federation.engine.answering import CLIENT_RAISED, answer, identify
from local_federation.engine.parent import end_with_parent
from strategies.common import tensor_file
from strategies.common.errors import StoreError


def ask(pipe: Connection, message: Message, context: Context) -> Callable[[], Message]:
    """Let a worker answer.

    Returns
    -------
    Callable[[], Message]
        Reads the reply, once what the worker wrote has reached the disk.

    Raises
    ------
    EOFError, OSError
        If the worker died.
    """
    pipe.send_bytes(message_to_proto(message).SerializeToString())
    pipe.send_bytes(context_to_proto(context).SerializeToString())
    reply, written = pipe.recv_bytes(), pipe.recv()

    def read() -> Message:
        try:
            for file in written:
                tensor_file.sync(file)
        except StoreError as error:
            return Message(Error(CLIENT_RAISED, f"{type(error)}:<'{error}'>"), reply_to=message)
        return message_from_proto(ProtoMessage.FromString(reply))

    return read


def answer_next(pipe: Connection) -> None:
    """Answer the next message that a pipe brings; what was written may not be on the disk yet.

    Raises
    ------
    EOFError, OSError
        If nobody asks any more.
    """
    message = message_from_proto(ProtoMessage.FromString(pipe.recv_bytes()))
    context = context_from_proto(ProtoContext.FromString(pipe.recv_bytes()))
    with tensor_file.synced_later() as written:
        reply = answer(message, context)
    pipe.send_bytes(message_to_proto(reply).SerializeToString())
    pipe.send(written)


def fork_for_each(door: socket.socket, work: Callable[[Connection, str], None]) -> None:
    """Fork a process for each pipe that comes in, until the other side is gone; all end with this.

    Parameters
    ----------
    door : socket.socket
        Brings pipes, each with a word that is not empty.
    work : Callable[[Connection, str], None]
        What the new process does with pipe and word, before it ends.
    """
    # Processes that ended need no waiting for.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    # All that was imported stays: to look for garbage in it took a worker a fifth of a second each
    # time, and copied the pages that it shares.
    gc.freeze()
    parent = os.getpid()
    while True:
        word, handles, *_ = socket.recv_fds(door, 256, 1)
        if not word:
            return
        if os.fork() == 0:
            door.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            try:
                end_with_parent(parent)
                work(Connection(handles[0]), word.decode())
            except BaseException:
                traceback.print_exc()
            finally:
                for stream in (sys.stdout, sys.stderr):
                    stream.flush()
                # The clean-up of the process that was forked is not this one's to do.
                os._exit(0)
        os.close(handles[0])


def be_worker(pipe: Connection, gpus: str) -> None:
    """Say who this is, and answer messages until nobody asks any more.

    Parameters
    ----------
    pipe : Connection
        Brings messages.
    gpus : str
        What this process may see, as ``CUDA_VISIBLE_DEVICES`` lists them; ``"all"`` leaves
        them as they are.
    """
    if gpus != "all":
        os.environ["CUDA_VISIBLE_DEVICES"] = gpus
    identify()
    with suppress(EOFError, OSError):
        pipe.send(os.getpid())
        while True:
            answer_next(pipe)
