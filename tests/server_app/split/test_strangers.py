"""Whoever connects and never shows a token: borne in a number, for a while, beside nodes."""

import select
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from client_app.split.stream import StreamLink
from server_app.split import strangers
from server_app.split.session import SplitSession
from server_app.split.strangers import stranger_options
from tests.server_app.split.toy_session import Node, Toy

BORNE = 8
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SETTINGS = bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])


@pytest.fixture
def strict(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strangers, "STRANGERS", BORNE)
    monkeypatch.setattr(strangers, "HANDSHAKE_S", 1.0)
    monkeypatch.setattr(strangers, "IDLE_S", 1.0)


def port_of(session: SplitSession) -> int:
    return int(session.invitation(0).address.rpartition(":")[2])


@contextmanager
def silent(session: SplitSession, count: int) -> Iterator[list[socket.socket]]:
    """Have so many connections that never say a word."""
    with ExitStack() as stack:
        yield [
            stack.enter_context(socket.create_connection(("127.0.0.1", port_of(session))))
            for _ in range(count)
        ]


def open_ones(connections: list[socket.socket], within_s: float) -> list[socket.socket]:
    """Return those that the server has not closed after some time."""
    deadline, left = time.monotonic() + within_s, list(connections)
    while left and (wait := deadline - time.monotonic()) > 0:
        ready, _, _ = select.select(left, [], [], wait)
        left = [one for one in left if one not in ready or not closed(one)]
    return left


def closed(connection: socket.socket) -> bool:
    try:
        return not connection.recv(4096)
    except ConnectionError:
        return True


def play(session: SplitSession, toy: Toy) -> None:
    with StreamLink(session.invitation(0), 0) as link:
        Node(toy, 0).play(link)
    assert toy.engine.finished == [11, 12, 13]


@pytest.mark.thorough
@pytest.mark.usefixtures("strict")
def test_those_beyond_a_number_are_turned_away_at_once_and_the_others_after_a_while() -> None:
    toy = Toy(nodes=1, cohorts=1, steps=3)
    with toy.session() as session, silent(session, 60) as connections:
        # Three streams and four threads to spare of the node's; the rest is nobody's.
        left = open_ones(connections, 0.4)
        assert 0 < len(left) <= 7 + BORNE
        assert not open_ones(left, 20)
        play(session, toy)


@pytest.mark.usefixtures("strict")
def test_a_node_gets_in_while_strangers_take_all_places() -> None:
    toy = Toy(nodes=1, cohorts=1, steps=3)
    with toy.session() as session, silent(session, 60):
        play(session, toy)


@pytest.mark.usefixtures("strict")
def test_who_finishes_the_handshake_and_opens_no_stream_is_sent_away() -> None:
    toy = Toy(nodes=1, cohorts=1, steps=3)
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    with toy.session() as session, ExitStack() as stack:
        idle = []
        for _ in range(3):
            bare = socket.create_connection(("127.0.0.1", port_of(session)))
            one = stack.enter_context(context.wrap_socket(bare))
            one.sendall(PREFACE + SETTINGS)
            idle.append(one)
        assert not open_ones(idle, 20)
        play(session, toy)


@pytest.mark.thorough
@pytest.mark.usefixtures("strict")
def test_a_node_that_thinks_for_longer_than_strangers_may_is_kept() -> None:
    toy = Toy(nodes=1, cohorts=1, steps=3)
    node = Node(toy, 0)
    node.before_send = lambda step, _: time.sleep(2.5) if step == 12 else None
    with toy.session() as session, StreamLink(session.invitation(0), 0) as link:
        node.play(link)
        assert session.notes() == ()
    assert node.skipped == []


# Descriptors


@pytest.fixture
def limits(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """Limits of a process, from the last to the first; it has 50 descriptors open."""
    found = [(1024, 4096)]

    class Resource:
        RLIMIT_NOFILE, RLIM_INFINITY = 7, -1
        getrlimit = staticmethod(lambda _: found[0])
        setrlimit = staticmethod(lambda _, limit: found.insert(0, limit))

    monkeypatch.setattr(strangers, "resource", Resource)
    monkeypatch.setattr(strangers, "_descriptors", lambda: 50)
    return found


@pytest.mark.parametrize(
    ("limit", "own", "allowed", "raised", "warned"),
    [
        # 50 + 20 + 1000 + 128 are wanted.
        ((1024, 4096), 20, 1020, (1198, 4096), False),
        ((4096, 4096), 20, 1020, None, False),
        ((-1, -1), 20, 1020, None, False),
        ((1024, 1024), 20, 1024 - 50 - 128, (1024, 1024), False),
        ((1024, 1024), 800, 864, (1024, 1024), True),
    ],
)
def test_there_are_descriptors_for_all_that_are_borne(
    limits: list[tuple[int, int]],
    monkeypatch: pytest.MonkeyPatch,
    limit: tuple[int, int],
    own: int,
    allowed: int,
    raised: tuple[int, int] | None,
    warned: bool,
) -> None:
    limits[:] = [limit]
    told: list[str] = []
    monkeypatch.setattr(strangers, "log", lambda _, text, *parts: told.append(text % parts))
    assert stranger_options(own)[0] == ("grpc.max_allowed_incoming_connections", allowed)
    assert limits[0] == (raised or limit)
    assert bool(told) == warned
    assert not told or "LimitNOFILE" in told[0]
