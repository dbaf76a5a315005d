"""Ends waits on the network that take too long: gRPC bounds whole streams, not single reads."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread
from typing import final

from client_app.split.connection import Connection

_MOST_S = 0.5
_LEAST_S = 0.01


@final
class Watchdog:
    """One thread that watches all reads of a link.

    Parameters
    ----------
    shortest_s : float
        Shortest limit that will be asked for; reads end at most a tenth of it late.
    """

    def __init__(self, shortest_s: float) -> None:
        self._every_s = min(_MOST_S, max(_LEAST_S, shortest_s / 10))
        self._limits: dict[Connection, float] = {}
        self._stopped = Event()
        self._thread = Thread(target=self._watch, name="watchdog", daemon=True)
        self._thread.start()

    @contextmanager
    def limit(self, connection: Connection, seconds: float) -> Iterator[None]:
        """Break a connection if the block takes longer than so many seconds."""
        self._limits[connection] = time.monotonic() + seconds
        try:
            yield
        finally:
            del self._limits[connection]

    def close(self) -> None:
        """Stop watching."""
        self._stopped.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stopped.wait(self._every_s):
            now = time.monotonic()
            for connection, limit in list(self._limits.items()):
                if now > limit:
                    connection.expire()
