"""What strangers can take up of a server: connections that never get so far as to show a token.

gRPC closes at once whatever comes beyond a number of connections, and after a while whatever
does not finish its handshake or opens no stream. So descriptors cannot run out, and places that
nobody uses are free again while nodes still dial. It cannot tell strangers apart by where they
come from: a firewall can.
"""

from contextlib import suppress
from logging import WARNING
from pathlib import Path
from typing import Final

from flwr.common.logger import log

from strategies.common.split.wire.protocol import Options

try:
    import resource
except ImportError:  # where there are no such limits
    resource = None  # type: ignore[assignment]

# A node's handshake takes a second at most, and its stream follows at once.
HANDSHAKE_S: Final = 10.0
IDLE_S: Final = 10.0
# Connections of nobody that are borne at a time; each takes some 50 KiB.
STRANGERS: Final = 1000
# What the process opens besides, in the course of a round.
_RESERVE = 128
_FEW = 64


def stranger_options(own: int) -> Options:
    """Return gRPC's options of a server that bears strangers.

    Parameters
    ----------
    own : int
        Connections that nodes may have at once.
    """
    return [
        ("grpc.max_allowed_incoming_connections", own + _borne(own)),
        ("grpc.server_handshake_timeout_ms", int(HANDSHAKE_S * 1000)),
        ("grpc.max_connection_idle_ms", int(IDLE_S * 1000)),
        # Every lane has a connection of its own.
        ("grpc.max_concurrent_streams", 1),
    ]


def _borne(own: int) -> int:
    """Return how many strangers this process has descriptors for, once it may open enough."""
    if resource is None:
        return STRANGERS  # type: ignore[unreachable]
    used = _descriptors()
    wanted = used + own + STRANGERS + _RESERVE
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if resource.RLIM_INFINITY in (soft, hard) or soft >= wanted:
        return STRANGERS
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(wanted, hard), hard))
        soft = min(wanted, hard)
    left = soft - used - own - _RESERVE
    if left < _FEW:
        log(
            WARNING,
            "the server may open %d files at a time, and nodes may have %d connections at once: "
            "raise the limit (LimitNOFILE= of systemd, ulimit -n) to %d or more",
            soft,
            own,
            wanted,
        )
    return min(STRANGERS, max(_FEW, left))


def _descriptors() -> int:
    try:
        return sum(1 for _ in Path("/proc/self/fd").iterdir())
    except OSError:
        return _RESERVE
