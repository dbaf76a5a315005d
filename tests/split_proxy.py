"""A TCP proxy whose connections can be cut, for streams that must survive it."""

import socket
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Lock, Thread
from typing import final

_CHUNK = 1 << 16
# Closing then sends a reset: the peers see a broken connection, not an orderly end.
_RESET = struct.pack("ii", 1, 0)


@final
class Proxy:
    """Carries bytes between those who dial it and one server, after a delay each way.

    Attributes
    ----------
    address : str
        What to dial.
    accepted : int
        Connections so far.
    """

    def __init__(self, server: str, delay_s: float = 0.0) -> None:
        host, _, port = server.rpartition(":")
        self._server = (host, int(port))
        self._delay_s = delay_s
        self._lock = Lock()
        self._open: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self.accepted = 0
        Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """Break all connections that are open now."""
        with self._lock:
            broken, self._open = self._open, []
        for end in broken:
            with suppress(OSError):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def close(self) -> None:
        """Break everything and take no more."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
                far = socket.create_connection(self._server)
            except OSError:
                return
            self.accepted += 1
            with self._lock:
                self._open += [near, far]
            for source, sink in ((near, far), (far, near)):
                Thread(target=_carry, args=(source, sink, self._delay_s), daemon=True).start()


@contextmanager
def proxied(server: str, delay_s: float = 0.0) -> Iterator[Proxy]:
    """Run a proxy for the length of a block."""
    proxy = Proxy(server, delay_s)
    try:
        yield proxy
    finally:
        proxy.close()


def _carry(source: socket.socket, sink: socket.socket, delay_s: float) -> None:
    with suppress(OSError):
        while data := source.recv(_CHUNK):
            time.sleep(delay_s)
            sink.sendall(data)
    for end in (source, sink):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
