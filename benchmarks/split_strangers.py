"""Whether a node still gets in where strangers hold connections open, and what these cost.

A session's server with the soft limit of descriptors that systemd gives (1024), strangers in a
process of their own, and one node that comes when they are all there. Three kinds of strangers:
``tcp`` never say a word, ``tls`` finish the handshake, ``http2`` open a connection of HTTP/2 too.
``--returning`` ones dial again whenever they are sent away; ``--unbounded`` leaves the server
without its limits.

Run with ``python -m benchmarks.split_strangers [--strangers 2000]``; returns 1 if a node does
not get in within its deadline.
"""

import argparse
import multiprocessing
import os
import resource
import select
import socket
import ssl
import time
from contextlib import suppress
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from benchmarks.exchange_speed import CASES, Case, Mirror
from client_app.profiling import memory
from client_app.split.stream import StreamLink
from server_app.split import session as sessions
from server_app.split.session import SplitSession
from strategies.common.errors import ExchangeError
from strategies.common.run_config import default_config, read_table
from strategies.common.split.plan import TrainingPlan
from strategies.common.split.settings import SplitSettings

KINDS = ("tcp", "tls", "http2")
_SOFT_LIMIT = 1024
_STEPS = 5
_MIB = 2**20
# What a client of HTTP/2 says first: a preface and empty settings.
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])


def main() -> int:
    """Try every kind, print and judge."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--strangers", type=int, default=2000)
    parser.add_argument("--kinds", default=",".join(KINDS))
    parser.add_argument("--returning", action="store_true")
    parser.add_argument("--unbounded", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    console = Console()
    load = os.getloadavg()[0]
    console.print(f"load of this machine at the start: {load:.1f}")
    got_in = [
        attempt(console, kind, arguments.strangers, arguments.returning, arguments.unbounded)
        for kind in arguments.kinds.split(",")
    ]
    return 0 if all(got_in) else 1


def attempt(console: Console, kind: str, count: int, returning: bool, unbounded: bool) -> bool:
    """Let strangers of a kind in, then a node; return whether it got in."""
    case = CASES[0]
    context = multiprocessing.get_context("spawn")
    server, server_end = context.Pipe()
    crowd, crowd_end = context.Pipe()
    serving = context.Process(target=_serve, args=(server_end, case, unbounded))
    serving.start()
    invitation = server.recv()
    before = _asked(server)
    crowding = context.Process(
        target=_crowd, args=(crowd_end, invitation.address, kind, count, returning)
    )
    crowding.start()
    dialled = crowd.recv()
    during = _asked(server)
    started = time.monotonic()
    told = ""
    try:
        with StreamLink(invitation, 0) as link:
            lane = link.lane(0, case.spec())
            welcomed = time.monotonic() - started
            for step in range(1, _STEPS + 1):
                lane.send(step, case.tensors())
                lane.receive()
        told = f"the node was welcomed after {welcomed:.2f} s and played {_STEPS} steps"
    except ExchangeError as error:
        told = f"THE NODE DID NOT GET IN after {time.monotonic() - started:.1f} s: {error}"
    crowd.send("done")
    kept = crowd.recv()
    after = _asked(server)
    server.send("done")
    for process in (crowding, serving):
        process.join(30)
        if process.is_alive():
            process.kill()
    console.print(
        f"{kind}: {count} strangers, {dialled} of them connected at first and {kept} when the node "
        f"was done; descriptors {before[0]}, {during[0]}, {after[0]} (limit {after[2]}), resident "
        f"{before[1] / _MIB:.0f}, {during[1] / _MIB:.0f}, {after[1] / _MIB:.0f} MiB; {told}",
        soft_wrap=True,
    )
    return told.startswith("the node was welcomed")


def _asked(server: Pipe) -> tuple[int, int, int]:
    server.send("size")
    found: tuple[int, int, int] = server.recv()
    return found


def _serve(pipe: Pipe, case: Case, unbounded: bool) -> None:
    torch.set_num_threads(1)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (_SOFT_LIMIT, hard))
    if unbounded:
        sessions.stranger_options = lambda _: []  # type: ignore[assignment,attr-defined]
    settings = read_table(default_config(), "split", SplitSettings)
    plan = TrainingPlan(1, _STEPS, case.batch, ((0,),))
    with SplitSession(Mirror(), plan, case.spec, {0: ((0,),)}, settings, 1) as session:
        pipe.send(session.invitation(0))
        while pipe.recv() == "size":
            limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
            held, size = limit, 0
            with suppress(OSError):
                size = memory.resident_bytes()
                held = sum(1 for _ in Path("/proc/self/fd").iterdir())
            pipe.send((held, size, limit))


def _crowd(pipe: Pipe, address: str, kind: str, count: int, returning: bool) -> None:
    """Hold connections open until told to stop, and say how many there were."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, count + 256), hard))
    held = [one for _ in range(count) if (one := _dial(address, kind)) is not None]
    held = [one for one in held if not _closed(one)]
    pipe.send(len(held))
    while not pipe.poll(0.05):
        held = [one for one in held if not _closed(one)]
        if returning:
            fresh = [_dial(address, kind) for _ in range(min(50, count - len(held)))]
            held += [one for one in fresh if one is not None]
    pipe.send(sum(not _closed(one) for one in held))


def _dial(address: str, kind: str) -> Any:
    host, _, port = address.rpartition(":")
    bare = socket.socket()
    bare.settimeout(5.0)
    with suppress(OSError):
        bare.connect((host, int(port)))
        if kind == "tcp":
            return bare
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.set_alpn_protocols(["h2"])
        one = context.wrap_socket(bare)
        if kind == "http2":
            one.sendall(_PREFACE)
        return one
    bare.close()
    return None


def _closed(connection: Any) -> bool:
    try:
        poll = select.poll()
        poll.register(connection, select.POLLIN)
        if not poll.poll(0):
            return False
        connection.settimeout(0.2)
        gone = not connection.recv(65536)
    except (TimeoutError, ssl.SSLWantReadError):
        return False
    except OSError:
        gone = True
    if gone:
        connection.close()
    return gone


if __name__ == "__main__":
    raise SystemExit(main())
