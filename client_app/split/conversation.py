"""One lane's talk with the server: one frame out, one answer in, across broken streams.

A stream that breaks is dialled again with growing pauses, and the outstanding frame is sent
once more; the server takes every frame in exactly once. Dialling and waiting for an answer
both have an end.
"""

import random
import time
from typing import Any, NoReturn, final

import grpc

from client_app.split.connection import Connection
from client_app.split.watchdog import Watchdog
from strategies.common.errors import ExchangeError
from strategies.common.split.wire import framing, split_pb2
from strategies.common.split.wire.invitation import Invitation
from strategies.common.split.wire.protocol import VERSION

_FIRST_PAUSE_S = 0.05
_LONGEST_PAUSE_S = 2.0
_FAREWELL_S = 1.0
# What dialling again cannot mend.
_FINAL = (
    grpc.StatusCode.UNAUTHENTICATED,
    grpc.StatusCode.PERMISSION_DENIED,
    grpc.StatusCode.UNIMPLEMENTED,
)
_SERVER = "server"
_FAREWELL: bytes = split_pb2.Up(farewell=split_pb2.Farewell()).SerializeToString()


@final
class Conversation:
    """A lane that survives its streams.

    Parameters
    ----------
    invitation : Invitation
        The node's.
    cohort : int
        Which lane.
    digest : bytes
        Of the frames' specification; empty for a survey.
    limit : int
        Largest answer in bytes.
    watchdog : Watchdog
        Bounds every wait.
    """

    def __init__(
        self, invitation: Invitation, cohort: int, digest: bytes, limit: int, watchdog: Watchdog
    ) -> None:
        self._invitation = invitation
        self._watchdog = watchdog
        self._limit = limit
        self._hello = split_pb2.Hello(
            version=VERSION, node=invitation.partition, cohort=cohort, digest=digest
        )
        self._where = f"node {invitation.partition}, cohort {cohort}"
        # Nodes that lost the same server must not all come back at once.
        self._pauses = random.Random(f"{invitation.partition}/{cohort}")  # noqa: S311
        turns = max(invitation.cohorts, default=0) + 1
        # Every cohort's turn may wait for its deadline, and then there is computing to do.
        self._patience_s = (turns + 1) * invitation.step_deadline_s
        self._first_patience_s = self._patience_s + invitation.connect_deadline_s
        self._outstanding = b""
        self._answered = False
        self._connection = self._dial(self._deadline())

    def post(self, raw: bytes) -> None:
        """Send a frame without waiting for its answer."""
        self._outstanding = raw
        self._connection.write(raw)

    def reply(self) -> tuple[split_pb2.Down, memoryview]:
        """Wait for the answer to the frame posted last, and its numbers.

        Raises
        ------
        ExchangeError
            If the server refuses, cannot be reached again or does not answer in time.
        WireError
            If its answer is no frame.
        """
        until: float | None = None
        patience = self._patience_s if self._answered else self._first_patience_s
        while True:
            try:
                with self._watchdog.limit(self._connection, patience):
                    raw = self._connection.read()
                if raw is not None:
                    self._answered = True
                    return self._read(raw)
                broken = "the server ended the stream"
            except grpc.RpcError as error:
                if self._connection.expired:
                    self._complain_of_silence(patience)
                broken = self._explain(error)
            # One deadline until an answer arrives, however often streams break meanwhile.
            until = until or self._deadline()
            self._connection.close()
            self._connection = self._dial(until, broken)
            self._connection.write(self._outstanding)

    def close(self) -> None:
        """End the lane, and let the server know."""
        self._connection.write(_FAREWELL)
        self._connection.finish()
        try:
            with self._watchdog.limit(self._connection, _FAREWELL_S):
                while self._connection.read() is not None:
                    pass
        except grpc.RpcError:
            # There is nothing left to say to whoever is gone.
            pass
        self._connection.close()

    def _deadline(self) -> float:
        return time.monotonic() + self._invitation.connect_deadline_s

    def _dial(self, until: float, reason: str = "it did not answer") -> Connection:
        """Open a stream and be welcomed, trying again until a point in time."""
        pause = _FIRST_PAUSE_S
        while (left := until - time.monotonic()) > 0:
            connection = Connection(self._invitation, self._limit)
            try:
                self._greet(connection, left)
            except grpc.RpcError as error:
                connection.close()
                if not connection.expired:
                    reason = self._explain(error)
            except BaseException:
                connection.close()
                raise
            else:
                return connection
            time.sleep(min(pause * self._pauses.uniform(0.5, 1.5), max(0.0, left)))
            pause = min(2 * pause, _LONGEST_PAUSE_S)
        seconds = self._invitation.connect_deadline_s
        raise ExchangeError(
            f"{self._where}: expected the server at {self._invitation.address} within "
            f"{seconds:g} s, got: {reason}; see that the node can reach this address "
            f"(split.advertise) and that the server is still running"
        )

    def _greet(self, connection: Connection, seconds: float) -> None:
        connection.write(split_pb2.Up(hello=self._hello).SerializeToString())
        with self._watchdog.limit(connection, seconds):
            raw = connection.read()
        down, _ = self._read(raw or b"")
        if down.WhichOneof("kind") != "welcome":
            raise ExchangeError(f"{self._where}: expected a welcome, got another frame or none")
        self._hello.session = down.welcome.session

    def _read(self, raw: bytes) -> tuple[split_pb2.Down, memoryview]:
        down, numbers = framing.parse_down(raw, _SERVER)
        if down.WhichOneof("kind") == "refusal":
            raise ExchangeError(f"{self._where}: the server refused: {down.refusal.reason}")
        return down, numbers

    def _explain(self, error: Any) -> str:
        if error.code() in _FINAL:
            raise ExchangeError(
                f"{self._where}: the server refused the stream: {error.details()}"
            ) from None
        return f"{error.code().name}: {error.details()}"

    def _complain_of_silence(self, patience: float) -> NoReturn:
        raise ExchangeError(
            f"{self._where}: expected an answer within {patience:g} s, got none; if the server "
            f"is slow rather than gone, raise split.step-deadline-s"
        ) from None
