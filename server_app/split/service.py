"""The gRPC skin of the hub: tokens, frames in and out, refusals. It knows no turns.

Frames are taken as raw bytes and parsed here, so that bytes of no frame are refused like
any other bad frame, and by name.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from threading import Lock
from typing import Any, final

import grpc

from server_app.split.hub import Hub
from server_app.split.lanes import Lane
from server_app.split.refusals import Reason, RefusalError, Refusals
from server_app.split.tickets import Tickets
from server_app.split.traffic import Meter
from strategies.common.errors import WireError
from strategies.common.split.wire import framing, split_pb2, survey_parts
from strategies.common.split.wire.protocol import METHOD, SERVICE, TOKEN_KEY, VERSION

_STATUS = {
    Reason.TOKEN: grpc.StatusCode.UNAUTHENTICATED,
    Reason.EXPIRED: grpc.StatusCode.UNAUTHENTICATED,
    Reason.OTHER_NODE: grpc.StatusCode.PERMISSION_DENIED,
    Reason.REPLAYED: grpc.StatusCode.PERMISSION_DENIED,
    Reason.CROWD: grpc.StatusCode.RESOURCE_EXHAUSTED,
}
_MAX_REASON = 1000
_FAREWELL: bytes = split_pb2.Up(farewell=split_pb2.Farewell()).SerializeToString()


@final
class Service:
    """Answers the streams of one session.

    Parameters
    ----------
    hub : Hub
        Takes the frames in.
    tickets : Tickets
        Says who may come.
    refusals : Refusals
        Takes note of what was refused.
    streams_per_node : Mapping[int, int]
        Most streams that a node may have at once: each holds a thread.
    """

    def __init__(
        self,
        hub: Hub,
        tickets: Tickets,
        refusals: Refusals,
        streams_per_node: Mapping[int, int],
    ) -> None:
        self._hub, self._tickets, self._refusals = hub, tickets, refusals
        self._most = streams_per_node
        self._lock = Lock()
        self._streams: Counter[int] = Counter()
        self.meters = {key: Meter() for key in hub.lanes}

    def handler(self) -> Any:
        """Return what gRPC dispatches to."""
        method = grpc.stream_stream_rpc_method_handler(self.exchange)
        return grpc.method_handlers_generic_handler(SERVICE, {METHOD: method})

    def exchange(self, requests: Iterator[bytes], context: Any) -> Iterator[bytes]:
        """Serve one stream; gRPC gives it a thread of its own."""
        node: int | None = None
        try:
            node = self._tickets.check(dict(context.invocation_metadata()).get(TOKEN_KEY))
            with self._seat(node):
                yield from self._serve(node, requests, context)
        except RefusalError as error:
            self._refusals.note(node, error.reason, str(error))
            if error.reason in _STATUS:
                context.abort(_STATUS[error.reason], str(error))
            yield _refusal(str(error))

    def _serve(self, node: int, requests: Iterator[bytes], context: Any) -> Iterator[bytes]:
        hello = _next(requests)
        if hello is None:
            return
        lane, stream = self._open(node, hello, context)
        meter = self.meters[lane.node, lane.cohort]
        meter.uplink_bytes += len(hello)
        answer = _welcome(lane.session)
        try:
            while True:
                meter.downlink_bytes += len(answer)
                yield answer
                raw = _next(requests)
                if raw == _FAREWELL:
                    return
                if raw is None:
                    break
                meter.uplink_bytes += len(raw)
                answer = self._answer(lane, stream, raw)
        except RefusalError:
            self._hub.stand_down(lane, stream)
            raise
        if self._hub.is_current(lane, stream):
            text = "it may come back; frames larger than agreed break streams too"
            self._refusals.note(node, Reason.BROKEN, text)

    def _open(self, node: int, raw: bytes, context: Any) -> tuple[Lane, int]:
        where = f"node {node}"
        frame, _ = _parse(raw, where)
        if frame.WhichOneof("kind") != "hello":
            raise RefusalError(Reason.FORM, f"{where}: expected a hello first, got something else")
        hello = frame.hello
        if hello.version != VERSION:
            raise RefusalError(
                Reason.VERSION,
                f"{where}: expected version {VERSION} of the protocol, got {hello.version}; all "
                f"parts of a federation must run the same version of the app",
            )
        if hello.node != node:
            raise RefusalError(
                Reason.OTHER_NODE, f"{where}: expected its own number, got node {hello.node}"
            )
        return self._hub.open((node, hello.cohort), hello.digest, hello.session, context.cancel)

    def _answer(self, lane: Lane, stream: int, raw: bytes) -> bytes:
        frame, numbers = _parse(raw, lane.where)
        kind = frame.WhichOneof("kind")
        if kind != ("survey" if self._hub.surveys else "activations"):
            expected = "a survey" if self._hub.surveys else "activations"
            raise RefusalError(
                Reason.FORM, f"{lane.where}: expected {expected}, got {kind or 'nothing'}"
            )
        try:
            if kind == "survey":
                survey = survey_parts.read(frame.survey, numbers, lane.spec, lane.where)
                self._hub.survey(lane, stream, frame.survey.number, survey)
                return _taken(frame.survey.number)
            activations = lane.framer.read_activations(frame.activations, numbers)
        except WireError as error:
            raise RefusalError(Reason.FORM, str(error)) from None
        answer = self._hub.exchange(lane, stream, activations)
        try:
            return lane.framer.write_answer(answer)
        except WireError as error:
            reason = f"step {answer.step}: the answer cannot be sent: {error}"
            self._hub.give_up(reason, error)
            raise RefusalError(Reason.OVER, f"the server gave the exchange up: {reason}") from None

    @contextmanager
    def _seat(self, node: int) -> Iterator[None]:
        """Count a node's stream, so that none can take up the threads of all."""
        with self._lock:
            if self._streams[node] >= self._most[node]:
                raise RefusalError(
                    Reason.CROWD,
                    f"node {node}: expected at most {self._most[node]} streams at once",
                )
            self._streams[node] += 1
        try:
            yield
        finally:
            with self._lock:
                self._streams[node] -= 1


def _next(requests: Iterator[bytes]) -> bytes | None:
    """Return the next frame; ``None`` however the stream ended."""
    try:
        return next(requests, None)
    except grpc.RpcError:
        return None


def _parse(raw: bytes, where: str) -> tuple[split_pb2.Up, memoryview]:
    try:
        return framing.parse_up(raw, where)
    except WireError as error:
        raise RefusalError(Reason.FORM, str(error)) from None


def _welcome(session: bytes) -> bytes:
    raw: bytes = split_pb2.Down(welcome=split_pb2.Welcome(session=session)).SerializeToString()
    return raw


def _taken(number: int) -> bytes:
    raw: bytes = split_pb2.Down(taken=split_pb2.Taken(number=number)).SerializeToString()
    return raw


def _refusal(reason: str) -> bytes:
    refusal = split_pb2.Refusal(reason=reason[:_MAX_REASON])
    raw: bytes = split_pb2.Down(refusal=refusal).SerializeToString()
    return raw
