"""A TCP proxy that holds every byte back for a while, where the kernel cannot (no netem).

Bytes keep their order and are forwarded in the pieces in which they came; nothing is lost
and bandwidth is not limited. Both directions are slow, so that a round trip takes twice the
latency longer.
"""

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from queue import SimpleQueue
from threading import Thread

_CHUNK = 1 << 16

_Piece = tuple[float, bytes]


@contextmanager
def slow_wire(server: str, latency_s: float) -> Iterator[str]:
    """Run a proxy for the length of a block.

    Parameters
    ----------
    server : str
        ``host:port`` that is dialled on.
    latency_s : float
        Seconds that a byte stays on its way, each way.

    Yields
    ------
    str
        ``host:port`` to dial instead.
    """
    host, _, port = server.rpartition(":")
    listener = socket.create_server(("127.0.0.1", 0))
    accepting = Thread(target=_accept, args=(listener, (host, int(port)), latency_s), daemon=True)
    accepting.start()
    try:
        yield f"127.0.0.1:{listener.getsockname()[1]}"
    finally:
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def _accept(listener: socket.socket, server: tuple[str, int], latency_s: float) -> None:
    while True:
        try:
            near, _ = listener.accept()
            far = socket.create_connection(server)
        except OSError:
            return
        for end in (near, far):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for source, sink in ((near, far), (far, near)):
            pieces: SimpleQueue[_Piece] = SimpleQueue()
            Thread(target=_take, args=(source, pieces, latency_s), daemon=True).start()
            Thread(target=_pass, args=(sink, pieces), daemon=True).start()


def _take(source: socket.socket, pieces: "SimpleQueue[_Piece]", latency_s: float) -> None:
    data = b"?"
    while data:
        try:
            data = source.recv(_CHUNK)
        except OSError:
            data = b""
        pieces.put((time.monotonic() + latency_s, data))


def _pass(sink: socket.socket, pieces: "SimpleQueue[_Piece]") -> None:
    while True:
        due, data = pieces.get()
        time.sleep(max(0.0, due - time.monotonic()))
        try:
            if not data:
                sink.shutdown(socket.SHUT_RDWR)
                return
            sink.sendall(data)
        except OSError:
            return
