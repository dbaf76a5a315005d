"""A TCP proxy that holds every byte back for a while, where the kernel cannot (no netem).

Bytes keep their order and nothing is lost. Both directions are slow, so that a round trip takes
twice the latency longer; the way to the server may have a bounded rate as well, which all
connections share, as those of one device share its line.

``python -m benchmarks.slow_wire 8443=proxy:8443 --latency-s 0.1 --uplink-bit-s 1e6`` listens on all
addresses. Nothing but Python is needed: the file may be handed to one that knows no Nectar.
"""

import argparse
import math
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from queue import SimpleQueue
from threading import Event, Lock, Thread
from typing import Final, final

_CHUNK = 1 << 16
# Of a line of bounded rate, so that connections take turns and nothing waits long for its own.
_LONGEST_PIECE_S: Final = 0.1
_SMALLEST_CHUNK: Final = 1 << 10

_Piece = tuple[float, bytes]


@final
class Line:
    """One direction of a line, whatever number of connections cross it.

    Parameters
    ----------
    latency_s : float
        Seconds that a byte stays on its way.
    bit_s : float
        Bits that enter it in a second; infinite for no bound.

    Attributes
    ----------
    chunk : int
        Most bytes that enter it at once.
    """

    def __init__(self, latency_s: float, bit_s: float = math.inf) -> None:
        self._latency_s = latency_s
        self._byte_s = bit_s / 8
        self._lock = Lock()
        self._free_at = 0.0
        self.chunk = int(max(_SMALLEST_CHUNK, min(_CHUNK, _LONGEST_PIECE_S * self._byte_s)))

    def enter(self, size: int) -> float:
        """Wait until so many bytes are on their way, and return when they will be there.

        Whoever sends is held back as long: nothing but the latency's bytes is kept here.
        """
        with self._lock:
            begins = max(time.monotonic(), self._free_at)
            self._free_at = begins + size / self._byte_s
            sent = self._free_at
        time.sleep(max(0.0, sent - time.monotonic()))
        return sent + self._latency_s


@contextmanager
def slow_wire(server: str, latency_s: float, uplink_bit_s: float = math.inf) -> Iterator[str]:
    """Run a proxy for the length of a block.

    Parameters
    ----------
    server : str
        ``host:port`` that is dialled on.
    latency_s : float
        Seconds that a byte stays on its way, each way.
    uplink_bit_s : float
        Bits a second towards the server; infinite for no bound.

    Yields
    ------
    str
        ``host:port`` to dial instead.
    """
    up, down = Line(latency_s, uplink_bit_s), Line(latency_s)
    listener = _listen(("127.0.0.1", 0), server, up, down)
    try:
        yield f"127.0.0.1:{listener.getsockname()[1]}"
    finally:
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def _listen(place: tuple[str, int], server: str, up: Line, down: Line) -> socket.socket:
    listener = socket.create_server(place)
    if up.chunk < _CHUNK:
        # What the kernel takes in for a connection has not crossed the line.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _CHUNK)
    host, _, port = server.rpartition(":")
    accepting = Thread(target=_accept, args=(listener, (host, int(port)), up, down), daemon=True)
    accepting.start()
    return listener


def _accept(listener: socket.socket, server: tuple[str, int], up: Line, down: Line) -> None:
    while True:
        try:
            near, _ = listener.accept()
        except OSError:
            return
        try:
            far = socket.create_connection(server)
        except OSError:
            # It may be back for the next one.
            near.close()
            continue
        for end in (near, far):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        Thread(target=_carry, args=(near, far, up, down), daemon=True).start()


def _carry(near: socket.socket, far: socket.socket, up: Line, down: Line) -> None:
    """Carry all that two ends have for each other, and close both."""
    with near, far:
        workers = []
        for source, sink, line in ((near, far, up), (far, near, down)):
            pieces: SimpleQueue[_Piece] = SimpleQueue()
            workers.append(Thread(target=_take, args=(source, pieces, line), daemon=True))
            workers.append(Thread(target=_pass, args=(sink, pieces), daemon=True))
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()


def _take(source: socket.socket, pieces: "SimpleQueue[_Piece]", line: Line) -> None:
    data = b"?"
    while data:
        try:
            data = source.recv(line.chunk)
        except OSError:
            data = b""
        pieces.put((line.enter(len(data)), data))


def _pass(sink: socket.socket, pieces: "SimpleQueue[_Piece]") -> None:
    while True:
        due, data = pieces.get()
        time.sleep(max(0.0, due - time.monotonic()))
        try:
            if not data:
                # The other direction may go on.
                sink.shutdown(socket.SHUT_WR)
                return
            sink.sendall(data)
        except OSError:
            return


def main() -> None:
    """Carry bytes until somebody ends this."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("ways", nargs="+", metavar="PORT=HOST:PORT", help="listen, and dial on")
    parser.add_argument("--latency-s", type=float, default=0.0, help="seconds each way (0)")
    parser.add_argument("--uplink-bit-s", type=float, default=math.inf, help="bits/s (no bound)")
    arguments = parser.parse_args()
    up, down = Line(arguments.latency_s, arguments.uplink_bit_s), Line(arguments.latency_s)
    for way in arguments.ways:
        port, _, server = way.partition("=")
        _listen(("", int(port)), server, up, down)
    Event().wait()


if __name__ == "__main__":
    main()
