"""The stream over TLS: the same numbers as without a network, whatever happens to it."""

import time
from contextlib import ExitStack
from pathlib import Path
from threading import Event
from typing import Any

import pytest
import torch

from client_app.split.stream import StreamLink
from server_app.split.certificate import self_signed
from server_app.split.direct import DirectLink
from server_app.split.session import SplitSession
from strategies.common.errors import ExchangeError, SettingsError
from strategies.common.split.plan import SurveyPlan
from strategies.common.split.wire.frames import CodecName
from strategies.common.split.wire.invitation import Invitation
from strategies.common.transport.control import read_control
from tests.server_app.split.toy_session import Node, Numbers, Toy, play_all, same, split_settings
from tests.split_proxy import Proxy, proxied


def play_direct(toy: Toy) -> Numbers:
    hub = toy.hub()
    nodes = [Node(toy, number) for number in range(toy.nodes)]
    return play_all(nodes, [DirectLink(hub, node.number, toy.plan) for node in nodes])


def play_stream(session: SplitSession, nodes: list[Node], proxy: Proxy | None = None) -> Numbers:
    """Play all nodes over streams, node 0 through a proxy if there is one."""
    with ExitStack() as stack:
        links = []
        for node in nodes:
            invitation = session.invitation(node.number)
            if proxy and node.number == 0:
                invitation = invitation.model_copy(update={"address": proxy.address})
            links.append(stack.enter_context(StreamLink(invitation, node.number)))
        return play_all(nodes, links)


# Undisturbed


@pytest.mark.parametrize(
    ("codec", "gradient_codec"),
    [("float32", "float32"), ("float16", "float16"), ("uint8", "float16")],
)
def test_the_stream_gives_bitwise_what_the_direct_link_gives(
    codec: CodecName, gradient_codec: CodecName
) -> None:
    direct = Toy(codec=codec, gradient_codec=gradient_codec)
    stream = Toy(codec=codec, gradient_codec=gradient_codec)
    nodes = [Node(stream, number) for number in range(3)]
    with stream.session() as session:
        found = play_stream(session, nodes)
        assert session.failure is None
        assert session.notes() == ()
    assert same(found, play_direct(direct))
    assert torch.equal(stream.engine.weight, direct.engine.weight)
    expected = [(s, c, stream.plan.cohorts[c]) for s in range(11, 16) for c in range(2)]
    assert stream.engine.turns == direct.engine.turns == expected
    assert stream.engine.finished == [11, 12, 13, 14, 15]


def test_slow_arrivals_in_another_order_change_nothing() -> None:
    stream = Toy()
    nodes = [Node(stream, number) for number in range(3)]
    for node in nodes:
        node.before_send = lambda s, c, n=node.number: time.sleep((s * 7 + c * 3 + n * 5) % 4 / 200)  # type: ignore[misc]
    with stream.session() as session:
        found = play_stream(session, nodes)
    assert same(found, play_direct(Toy()))


def test_the_traffic_of_a_node_is_what_its_frames_hold() -> None:
    toy = Toy(nodes=2, cohorts=1, steps=5)
    with toy.session() as session:
        play_stream(session, [Node(toy, number) for number in range(2)])
        traffic = session.traffic(1)
    # Two clients, two samples: 72 float32 and four labels up, 72 float32 down, five times.
    assert traffic.frames == 5
    assert traffic.skipped == 0
    assert 0 < traffic.uplink_bytes - 5 * (72 * 4 + 4 * 8) < 5 * 60 + 100
    assert 0 < traffic.downlink_bytes - 5 * 72 * 4 < 5 * 40 + 60


def test_an_invitation_travels_as_plain_values_and_makes_the_same_plan() -> None:
    toy = Toy()
    with toy.session() as session:
        sent = session.invitation(2)
    found = read_control(Invitation, sent.to_values(), "server")
    assert found == sent
    assert found.plan() == toy.plan
    assert session.partitions == (0, 1, 2)
    with pytest.raises(ExchangeError, match="node 1: expected an invitation of its own, got"):
        StreamLink(found, 1)


def test_surveys_arrive_over_the_stream() -> None:
    toy = Toy(nodes=2, cohorts=1)
    plan = SurveyPlan(toy.plan.pool)
    samples = torch.randn(100, 2, 3, 3)
    with SplitSession(toy.engine, plan, toy.spec, toy.seats(), toy.settings, 1) as session:
        with StreamLink(session.invitation(1), 1) as link:
            assert link.plan == plan
            link.survey(3, "bank", samples, torch.arange(100) % 5)
            link.survey(2, "test", samples[:10], torch.arange(10) % 5)
        assert session.traffic(1).frames == 3
    assert [(s.client, s.split, len(s.labels)) for s in toy.engine.surveys] == [
        (3, "bank", 64),
        (3, "bank", 36),
        (2, "test", 10),
    ]
    assert torch.equal(torch.cat([s.activations for s in toy.engine.surveys[:2]]), samples)


def test_the_operators_certificate_is_shown_and_trusted(tmp_path: Path) -> None:
    own = self_signed(["localhost"], 3600.0)
    (tmp_path / "cert.pem").write_bytes(own.certificate)
    (tmp_path / "key.pem").write_bytes(own.key)
    files = {"certificate": str(tmp_path / "cert.pem"), "key": str(tmp_path / "key.pem")}
    toy = Toy(nodes=1, settings=split_settings(advertise="localhost", **files))
    with toy.session() as session:
        invitation = session.invitation(0)
        assert invitation.certificate == own.certificate
        assert invitation.address.startswith("localhost:")
        play_stream(session, [Node(toy, 0)])
    assert len(toy.engine.finished) == 5


def test_an_answer_that_cannot_be_sent_ends_the_session_and_says_why() -> None:
    toy = Toy(nodes=2, cohorts=1)
    toy.engine.weight = torch.tensor(float("nan"))
    with toy.session() as session:
        told = r"the server gave the exchange up: step 11: the answer cannot be sent: node .*, grad"
        with pytest.raises(ExchangeError, match=told):
            play_stream(session, [Node(toy, number) for number in range(2)])
        assert session.failure is not None
        assert "gradient: expected finite numbers" in session.failure
        assert session.cause is not None


def test_a_port_that_is_taken_is_a_settings_error() -> None:
    with Toy(nodes=1).session() as first:
        port = int(first.invitation(0).address.rpartition(":")[2])
        taken = Toy(nodes=1, settings=split_settings(port=port)).session()
        with pytest.raises(SettingsError, match="expected an address of this machine that is free"):
            taken.__enter__()


# Broken streams


class Cutter:
    """Cuts node 0's streams once, at a chosen place of its exchange."""

    def __init__(self, proxy: Proxy) -> None:
        self.proxy = proxy
        self.done = Event()

    def cut(self) -> None:
        if not self.done.is_set():
            self.done.set()
            self.proxy.cut()


def before_welcome(cutter: Cutter, session: SplitSession, nodes: list[Node]) -> None:
    opening = session.hub.open

    def cut_once_open(key: tuple[int, int], *others: Any) -> Any:
        found = opening(key, *others)
        if key[0] == 0:
            cutter.cut()
        return found

    session.hub.open = cut_once_open  # type: ignore[method-assign]


def before_the_first_frame(cutter: Cutter, session: SplitSession, nodes: list[Node]) -> None:
    nodes[0].before_send = lambda step, cohort: cutter.cut()


def between_steps(cutter: Cutter, session: SplitSession, nodes: list[Node]) -> None:
    nodes[0].before_send = lambda step, cohort: cutter.cut() if step == 13 else None


def once_arrived(cutter: Cutter, session: SplitSession, nodes: list[Node]) -> None:
    lane = session.hub.lanes[0, 0]
    again = Event()
    opening = session.hub.open

    def notice(key: tuple[int, int], *others: Any) -> Any:
        found = opening(key, *others)
        if found[1] > 1:
            again.set()
        return found

    def hold(step: int, cohort: int) -> None:
        # The turn must not take place before node 0 is back. Once it has, its lane goes on.
        if (step, cohort) == (12, 0):
            while lane.outstanding != 12:
                time.sleep(0.002)
            cutter.cut()
            assert again.wait(10)

    session.hub.open = notice  # type: ignore[method-assign]
    nodes[1].before_send = hold


def once_answered(cutter: Cutter, session: SplitSession, nodes: list[Node]) -> None:
    framer = session.hub.lanes[0, 1].framer
    writing = framer.write_answer

    def cut_first(answer: Any) -> bytes:
        raw = writing(answer)
        if answer.step == 12:
            cutter.cut()
        return raw

    framer.write_answer = cut_first  # type: ignore[method-assign]


def again_and_again(cutter: Cutter, session: SplitSession, nodes: list[Node]) -> None:
    def cut(step: int, _cohort: int) -> None:
        cutter.done.clear()
        cutter.cut()

    nodes[0].before_send = nodes[0].before_receive = cut


@pytest.mark.parametrize(
    "disturb",
    [
        before_welcome,
        before_the_first_frame,
        between_steps,
        once_arrived,
        once_answered,
        again_and_again,
    ],
)
def test_a_stream_that_is_cut_changes_no_number(disturb: Any) -> None:
    toy = Toy()
    nodes = [Node(toy, number) for number in range(3)]
    with toy.session() as session, proxied(session.invitation(0).address) as proxy:
        cutter = Cutter(proxy)
        disturb(cutter, session, nodes)
        found = play_stream(session, nodes, proxy)
        assert session.failure is None
        assert cutter.done.is_set()
        # Two lanes, and at least one of them dialled again.
        assert proxy.accepted >= 3
    assert same(found, play_direct(Toy()))
    assert [node.skipped for node in nodes] == [[], [], []]
    assert toy.engine.finished == [11, 12, 13, 14, 15]


def test_a_survey_goes_on_after_its_stream_was_cut() -> None:
    toy = Toy(nodes=1, cohorts=1)
    plan = SurveyPlan(toy.plan.pool)
    session = SplitSession(toy.engine, plan, toy.spec, toy.seats(), toy.settings, 1)
    with session, proxied(session.invitation(0).address) as proxy:
        take = toy.engine.survey

        def cut_second(survey: Any) -> None:
            take(survey)
            if len(toy.engine.surveys) == 2:
                proxy.cut()

        toy.engine.survey = cut_second  # type: ignore[method-assign]
        invitation = session.invitation(0).model_copy(update={"address": proxy.address})
        with StreamLink(invitation, 0) as link:
            link.survey(0, "bank", torch.randn(200, 2, 3, 3), torch.arange(200) % 5)
    assert [len(survey.labels) for survey in toy.engine.surveys] == [64, 64, 64, 8]


def test_a_node_that_dies_is_skipped_and_the_others_finish() -> None:
    quick = split_settings(step_deadline_s=0.8, connect_deadline_s=2.0, quorum=0.5)
    toy = Toy(nodes=2, settings=quick)
    nodes = [Node(toy, number) for number in range(2)]

    class DiedError(Exception):
        pass

    def die(step: int, _cohort: int) -> None:
        if step == 13:
            raise DiedError

    nodes[0].before_send = die
    with toy.session() as session, proxied(session.invitation(0).address) as proxy:
        with pytest.raises(DiedError):
            play_stream(session, nodes, proxy)
        assert session.failure is None
        assert session.steps == (5, 5)
        assert "node 0 missed 6 of its turns (5 steps)" in session.notes()
    assert nodes[1].skipped == []
    assert toy.engine.finished == [11, 12, 13, 14, 15]
    assert [clients for _, _, clients in toy.engine.turns[4:]] == [(2,), (3,)] * 3


def test_leaving_a_session_sends_away_whoever_still_waits() -> None:
    toy = Toy(nodes=2, cohorts=1)
    with StreamLinkOfNode0(toy) as (session, lane):
        lane.send(11, Node(toy, 0).frame(11, (0, 1)))
        while session.hub.lanes[0, 0].outstanding is None:
            time.sleep(0.005)
        session.__exit__(None, None, None)
        with pytest.raises(ExchangeError, match=r"node 0, cohort 0: .*the server has ended"):
            lane.receive()


class StreamLinkOfNode0:
    """A session with one lane open, whose end is up to the test."""

    def __init__(self, toy: Toy) -> None:
        self.toy = toy
        self.session = toy.session()

    def __enter__(self) -> tuple[SplitSession, Any]:
        self.session.__enter__()
        self.link = StreamLink(self.session.invitation(0), 0)
        return self.session, self.link.lane(0, self.toy.spec((0, 1)))

    def __exit__(self, *_: object) -> None:
        self.link.close()
        self.session.__exit__(None, None, None)


@pytest.mark.thorough
def test_a_server_behind_a_slow_network_is_reached() -> None:
    toy = Toy(nodes=1, cohorts=1, steps=3)
    # Each way: a handshake takes more than a second.
    with toy.session() as session, proxied(session.invitation(0).address, 0.3) as proxy:
        play_stream(session, [Node(toy, 0)], proxy)
    assert toy.engine.finished == [11, 12, 13]
    assert proxy.accepted == 1
