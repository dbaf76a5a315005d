"""A device whose server is gone, silent, slow or not who it should be: an error, in time."""

import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event, active_count
from typing import Any

import grpc
import pytest
import torch

from client_app.split.stream import StreamLink
from server_app.split.certificate import self_signed
from strategies.common.errors import ExchangeError, WireError
from strategies.common.split.wire import split_pb2
from strategies.common.split.wire.frames import Gradients
from strategies.common.split.wire.framing import Framer
from strategies.common.split.wire.invitation import Invitation
from strategies.common.split.wire.protocol import METHOD, SERVICE
from tests.server_app.split.toy_session import Node, Toy, split_settings

pytestmark = pytest.mark.xdist_group("clocks")

TOY = Toy(nodes=1, cohorts=1)
QUICK = {"step_deadline_s": 0.2, "connect_deadline_s": 0.4}


def invitation(address: str, certificate: bytes = b"", **deadlines: float) -> Invitation:
    plan = TOY.plan
    return Invitation(
        address=address,
        certificate=certificate or self_signed(["127.0.0.1"], 60.0).certificate,
        token=b"t" * 32,
        partition=0,
        first_step=plan.first_step,
        steps=plan.steps,
        batch=plan.batch,
        pool=[0, 1],
        cohorts=[0, 0],
        **{**QUICK, **deadlines},
    )


def frame(step: int = 11) -> tuple[torch.Tensor, torch.Tensor]:
    return Node(TOY, 0).frame(step, (0, 1))


@contextmanager
def fake_server(answers: Any) -> Iterator[Invitation]:
    """Run a server whose streams are answered by a generator function of the test."""
    own = self_signed(["127.0.0.1"], 60.0)
    server = grpc.server(ThreadPoolExecutor(4))
    method = grpc.stream_stream_rpc_method_handler(answers)
    handler = grpc.method_handlers_generic_handler(SERVICE, {METHOD: method})
    server.add_generic_rpc_handlers((handler,))
    port = server.add_secure_port(
        "127.0.0.1:0", grpc.ssl_server_credentials([(own.key, own.certificate)])
    )
    server.start()
    try:
        yield invitation(f"127.0.0.1:{port}", own.certificate)
    finally:
        server.stop(0).wait()


def welcome() -> bytes:
    raw: bytes = split_pb2.Down(welcome=split_pb2.Welcome(session=b"s")).SerializeToString()
    return raw


@contextmanager
def bounded(seconds: float) -> Iterator[None]:
    """Check that a block takes no longer than its deadlines and a loaded machine's slack."""
    begin = time.monotonic()
    yield
    assert time.monotonic() - begin < seconds + 10


def test_nobody_at_the_address_is_an_error_once_the_deadline_is_over() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with StreamLink(invitation(f"127.0.0.1:{port}"), 0) as link, bounded(0.4):
        expected = r"node 0, cohort 0: expected the server at 127.0.0.1:\d+ within 0.4 s, got: UNAV"
        with pytest.raises(ExchangeError, match=expected):
            link.lane(0, TOY.spec((0, 1)))


def test_someone_who_says_nothing_is_an_error_once_the_deadline_is_over() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as mute,
        StreamLink(invitation(f"127.0.0.1:{mute.getsockname()[1]}"), 0) as link,
        bounded(0.4),
        pytest.raises(ExchangeError, match=r"within 0.4 s, got: .*; see that the node can reach"),
    ):
        link.lane(0, TOY.spec((0, 1)))


def test_another_certificate_is_not_trusted() -> None:
    with Toy(nodes=1).session() as session:
        other = self_signed(["127.0.0.1"], 60.0).certificate
        changed = {"certificate": other, "connect_deadline_s": 0.4}
        with (
            StreamLink(session.invitation(0).model_copy(update=changed), 0) as link,
            pytest.raises(ExchangeError, match=r"got: UNAVAILABLE: .*(?i:certificate)"),
        ):
            link.lane(0, TOY.spec((0, 1)))


def test_another_name_than_the_certificates_is_not_trusted() -> None:
    with Toy(nodes=1).session() as session:
        real = session.invitation(0)
        port = real.address.rpartition(":")[2]
        changed = {"address": f"localhost:{port}", "connect_deadline_s": 0.4}
        with (
            StreamLink(real.model_copy(update=changed), 0) as link,
            pytest.raises(ExchangeError, match=r"got: UNAVAILABLE: .*Hostname Verification"),
        ):
            link.lane(0, TOY.spec((0, 1)))


def test_other_settings_than_the_servers_are_told_at_once() -> None:
    toy = Toy(nodes=1, cohorts=1)
    with (
        toy.session() as session,
        StreamLink(session.invitation(0), 0) as link,
        bounded(0),
        pytest.raises(ExchangeError, match="the server refused: node 0, cohort 0: expected the"),
    ):
        link.lane(0, Toy(codec="float16").spec((0, 1)))


def test_a_token_of_yesterday_is_told_at_once() -> None:
    toy = Toy(nodes=1, cohorts=1)
    with toy.session() as session:
        stale = session.invitation(0).model_copy(update={"token": b"y" * 32})
        with (
            StreamLink(stale, 0) as link,
            bounded(0),
            pytest.raises(ExchangeError, match="the server refused the stream: expected this ses"),
        ):
            link.lane(0, toy.spec((0, 1)))


def test_a_server_that_never_answers_is_an_error_once_the_deadlines_are_over() -> None:
    done = Event()
    toy = Toy(nodes=1, cohorts=1, settings=split_settings(**QUICK))
    toy.engine.work = lambda: done.wait(20)
    with toy.session() as session:
        try:
            with StreamLink(session.invitation(0), 0) as link:
                lane = link.lane(0, toy.spec((0, 1)))
                lane.send(11, frame())
                # One step's deadline for the only cohort, one to compute, and one to connect.
                with bounded(0.8), pytest.raises(ExchangeError, match=r"an answer within 0\.8 s"):
                    lane.receive()
        finally:
            done.set()


def test_a_server_that_answers_and_then_falls_silent_is_given_less_time() -> None:
    def silent(requests: Any, _context: Any) -> Iterator[bytes]:
        next(requests)
        yield welcome()
        framer = Framer(TOY.spec((0, 1)), "fake")
        next(requests)
        yield framer.write_answer(Gradients(11, torch.zeros(2, 2, 2, 3, 3)))
        for _ in requests:
            pass

    with fake_server(silent) as invited, StreamLink(invited, 0) as link:
        lane = link.lane(0, TOY.spec((0, 1)))
        lane.send(11, frame())
        assert lane.receive().step == 11
        lane.send(12, frame(12))
        with bounded(0.4), pytest.raises(ExchangeError, match=r"expected an answer within 0\.4 s"):
            lane.receive()


def test_a_server_that_ends_every_stream_is_given_up_once_the_deadline_is_over() -> None:
    def ending(requests: Any, _context: Any) -> Iterator[bytes]:
        next(requests)
        yield welcome()
        next(requests)

    with fake_server(ending) as invited, StreamLink(invited, 0) as link:
        lane = link.lane(0, TOY.spec((0, 1)))
        lane.send(11, frame())
        with bounded(0.4), pytest.raises(ExchangeError, match="got: the server ended the stream"):
            lane.receive()


@pytest.mark.parametrize(
    ("answer", "kind", "message"),
    [
        (b"\xff nonsense", WireError, "server: expected a frame, got 10 bytes of no frame"),
        (b"", WireError, "server: expected a frame, got 0 bytes"),
        (welcome(), ExchangeError, "expected the answer to step 11, got another frame"),
        (
            Framer(TOY.spec((0, 1)), "fake").write_answer(
                Gradients(12, torch.zeros(2, 2, 2, 3, 3))
            ),
            ExchangeError,
            "expected the answer to step 11, got another frame",
        ),
        (
            split_pb2.Down(skipped=split_pb2.Skipped(step=11, next_step=11)).SerializeToString(),
            ExchangeError,
            "expected the answer to step 11, got another frame",
        ),
        (
            split_pb2.Down(gradients=split_pb2.Gradients(step=11)).SerializeToString(),
            WireError,
            "expected a gradient, got none",
        ),
    ],
)
def test_answers_that_make_no_sense_are_refused(
    answer: bytes, kind: type[Exception], message: str
) -> None:
    def answering(requests: Any, _context: Any) -> Iterator[bytes]:
        next(requests)
        yield welcome()
        next(requests)
        yield answer

    with fake_server(answering) as invited, StreamLink(invited, 0) as link:
        lane = link.lane(0, TOY.spec((0, 1)))
        lane.send(11, frame())
        with bounded(0), pytest.raises(kind, match=message):
            lane.receive()


def test_a_frame_that_is_too_large_is_not_taken_from_the_server_either() -> None:
    def flooding(requests: Any, _context: Any) -> Iterator[bytes]:
        next(requests)
        yield bytes(100_000)

    with (
        fake_server(flooding) as invited,
        StreamLink(invited, 0) as link,
        bounded(0.4),
        pytest.raises(ExchangeError, match="RESOURCE_EXHAUSTED"),
    ):
        link.lane(0, TOY.spec((0, 1)))


def test_bad_activations_are_refused_before_they_leave() -> None:
    toy = Toy(nodes=1, cohorts=1)
    with toy.session() as session, StreamLink(session.invitation(0), 0) as link:
        lane = link.lane(0, toy.spec((0, 1)))
        query, labels = frame()
        with pytest.raises(WireError, match="node 0, cohort 0, query: expected finite numbers"):
            lane.send(11, (query / 0, labels))
        lane.send(11, (query, labels))
        assert lane.receive().step == 11


def test_a_closed_link_leaves_no_thread_behind() -> None:
    toy = Toy(nodes=1, cohorts=1)
    with toy.session() as session:
        before = active_count()
        for _ in range(3):
            with StreamLink(session.invitation(0), 0) as link:
                link.lane(0, toy.spec((0, 1)))
        deadline = time.monotonic() + 5
        # The session's own thread for streams stays; gRPC's threads end a little later.
        while active_count() > before + 1 and time.monotonic() < deadline:
            time.sleep(0.02)
        assert active_count() <= before + 1
        assert session.notes() == ()


def test_an_unused_link_dials_nobody() -> None:
    with StreamLink(invitation("nowhere.invalid:1"), 0) as link:
        assert link.plan == TOY.plan
