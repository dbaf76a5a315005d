"""The slow line: what is late, and what is held back for how long."""

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Thread

from benchmarks.slow_wire import Line, slow_wire

_PATIENCE_S = 10.0


@contextmanager
def echo(port: int = 0) -> Iterator[str]:
    """Run a server that answers each connection with what it got, once that is all."""

    def answer(place: socket.socket) -> None:
        data = b""
        while piece := place.recv(1 << 16):
            data += piece
        place.sendall(data)
        place.close()

    def serve() -> None:
        while True:
            try:
                place, _ = listener.accept()
            except OSError:
                return
            Thread(target=answer, args=(place,), daemon=True).start()

    with socket.create_server(("127.0.0.1", port)) as listener:
        Thread(target=serve, daemon=True).start()
        yield f"127.0.0.1:{listener.getsockname()[1]}"
        # Closed alone, it would take one more connection where a thread already waits for it.
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)


def asked(address: str, data: bytes) -> bytes:
    host, _, port = address.rpartition(":")
    with socket.create_connection((host, int(port)), _PATIENCE_S) as place:
        place.sendall(data)
        place.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: place.recv(1 << 16), b""))


def test_every_byte_arrives_after_the_latency_of_both_ways() -> None:
    data = bytes(range(256)) * 400
    with echo() as server, slow_wire(server, 0.1) as line:
        started = time.monotonic()
        assert asked(line, data) == data
        assert time.monotonic() - started >= 0.2


def test_the_way_up_is_bounded_and_shared_by_connections() -> None:
    data = bytes(10_000)
    with echo() as server, slow_wire(server, 0.0, 400_000) as line:
        started = time.monotonic()
        senders = [Thread(target=asked, args=(line, data)) for _ in range(2)]
        for sender in senders:
            sender.start()
        for sender in senders:
            sender.join(_PATIENCE_S)
        # 20 kB at 50 kB a second.
        assert time.monotonic() - started >= 0.4


def test_a_line_takes_in_pieces_that_let_others_between() -> None:
    assert Line(0.0).chunk == 1 << 16
    assert Line(0.0, 1e6).chunk == 12_500
    assert Line(0.0, 8.0).chunk == 1 << 10


def test_a_server_that_is_away_costs_no_more_than_that_connection() -> None:
    with echo() as gone:
        assert asked(gone, b"x") == b"x"
    with slow_wire(gone, 0.0) as line:
        with suppress(OSError):
            assert asked(line, b"x") == b""
        with echo(int(gone.rpartition(":")[2])):
            assert asked(line, b"x") == b"x"
