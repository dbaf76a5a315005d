"""One gRPC stream to the server, as bytes out and bytes in."""

from queue import SimpleQueue
from typing import Any, final

import grpc

from strategies.common.split.wire.invitation import Invitation
from strategies.common.split.wire.protocol import METHOD, SERVICE, TOKEN_KEY, channel_options

_FIRST_RETRY_MS = 100
_LAST_RETRY_MS = 1000
# gRPC bounds every attempt by what it calls the shortest pause, and far servers take a while.
_ATTEMPT_MS = 10_000


@final
class Connection:
    """A stream with a connection of its own, so that lanes do not hold each other up.

    Nothing is dialled before the first :meth:`read`, which also tells what went wrong.

    Parameters
    ----------
    invitation : Invitation
        Where to dial, whom to trust and what to show.
    limit : int
        Largest frame in bytes that is taken in.

    Attributes
    ----------
    expired : bool
        Whether it was cancelled because an answer took too long.
    """

    def __init__(self, invitation: Invitation, limit: int) -> None:
        self.expired = False
        self._outbox: SimpleQueue[bytes | None] = SimpleQueue()
        self._channel: Any = grpc.secure_channel(
            invitation.address,
            grpc.ssl_channel_credentials(root_certificates=invitation.certificate),
            options=[
                *channel_options(limit),
                ("grpc.use_local_subchannel_pool", 1),
                ("grpc.initial_reconnect_backoff_ms", _FIRST_RETRY_MS),
                ("grpc.min_reconnect_backoff_ms", _ATTEMPT_MS),
                ("grpc.max_reconnect_backoff_ms", _LAST_RETRY_MS),
            ],
        )
        exchange = self._channel.stream_stream(f"/{SERVICE}/{METHOD}")
        frames = iter(self._outbox.get, None)
        self._call: Any = exchange(frames, metadata=((TOKEN_KEY, invitation.token),))

    def write(self, raw: bytes) -> None:
        """Hand over a frame; it leaves when the network takes it."""
        self._outbox.put(raw)

    def read(self) -> bytes | None:
        """Wait for a frame; ``None`` when the server has ended the stream.

        Raises
        ------
        grpc.RpcError
            If the stream broke or the server refused it.
        """
        raw: bytes | None = next(self._call, None)
        return raw

    def expire(self) -> None:
        """Break the stream, because an answer took too long; callable from any thread."""
        self.expired = True
        self._call.cancel()

    def finish(self) -> None:
        """Tell the server that nothing more comes."""
        self._outbox.put(None)

    def close(self) -> None:
        """Break off whatever is left, and give the connection back."""
        # The thread that gRPC takes frames from the box with would wait for ever.
        self._outbox.put(None)
        self._call.cancel()
        self._channel.close()
