"""Whatever a stream brings that it should not: refused, logged once, and the others go on."""

import logging
import time
from collections.abc import Callable

import pytest

from client_app.split.stream import StreamLink
from server_app.split import refusals
from server_app.split.refusals import Reason
from server_app.split.session import SplitSession
from strategies.common.split.plan import SurveyPlan
from strategies.common.split.wire import split_pb2
from tests.server_app.split.attacks import AT_THE_DOOR, INSIDE, Attacker, other_nodes_token
from tests.server_app.split.toy_session import Node, Toy, split_settings

LIMIT = 1 << 20
Up = split_pb2.Up


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is logged of refusals."""
    found: list[str] = []
    monkeypatch.setattr(refusals, "log", lambda _level, text, *parts: found.append(text % parts))
    return found


def name(value: object) -> str | None:
    return getattr(value, "__name__", None)


@pytest.mark.parametrize(("attack", "reason", "answer"), [*AT_THE_DOOR, *INSIDE], ids=name)
def test_an_attack_is_refused_logged_once_and_the_others_go_on(
    attack: Callable[[Attacker], str], reason: Reason, answer: str, lines: list[str]
) -> None:
    toy = Toy(nodes=2, cohorts=1, steps=3)
    with toy.session() as session:
        attacker = Attacker(session, toy)
        for _ in range(3):
            assert answer in attack(attacker)
        with StreamLink(session.invitation(1), 1) as link:
            # Node 0 is not waited for where the attack showed that it was node 0.
            if (attack, reason, answer) in INSIDE:
                Node(toy, 1).play(link)
                assert toy.engine.finished == [11, 12, 13]
        assert session.failure is None
        (note,) = [note for note in session.notes() if "refused" in note]
    who = "someone unknown" if reason in (Reason.TOKEN, Reason.EXPIRED) else "node"
    assert note.startswith(who)
    assert f"was refused 3 times for {reason.value}; at first: " in note
    assert len(lines) == 1
    assert reason.value in lines[0]


def test_after_attacks_at_the_door_the_node_itself_takes_part_as_if_nothing_was() -> None:
    toy = Toy(nodes=1, cohorts=1, steps=3)
    with toy.session() as session:
        attacker = Attacker(session, toy)
        for attack, _, _ in AT_THE_DOOR:
            if attack is not other_nodes_token:
                attack(attacker)
        with StreamLink(session.invitation(0), 0) as link:
            Node(toy, 0).play(link)
    assert toy.engine.finished == [11, 12, 13]


def test_a_lane_in_use_cannot_be_taken_over_with_its_token_alone() -> None:
    toy = Toy(nodes=1, cohorts=1, steps=3)
    with toy.session() as session:
        attacker = Attacker(session, toy)
        node = Node(toy, 0)
        node.before_send = lambda step, _: replay(step) if step > 11 else None
        refused = []

        def replay(step: int) -> None:
            refused.append(attacker.say(attacker.hello(), attacker.frame(step=step)))

        with StreamLink(session.invitation(0), 0) as link:
            node.play(link)
    assert len(refused) == 2
    assert all("PERMISSION_DENIED" in answer for answer in refused)
    assert toy.engine.finished == [11, 12, 13]


def test_a_step_that_is_sent_twice_on_one_stream_closes_it(lines: list[str]) -> None:
    toy = Toy(nodes=1, cohorts=1, steps=3)
    with toy.session() as session:
        attacker = Attacker(session, toy)
        twice = attacker.say(attacker.hello(), attacker.frame(), attacker.frame())
    assert twice == "node 0, cohort 0: expected step 12, got step 11"
    assert len(lines) == 1


def test_a_flood_is_taken_at_the_pace_of_the_turns_and_refused_at_its_first_fault() -> None:
    quick = split_settings(step_deadline_s=0.5, connect_deadline_s=1.0, quorum=0.5)
    toy = Toy(nodes=2, cohorts=1, steps=3, settings=quick)
    with toy.session() as session:
        connection = Attacker(session, toy).dial()
        connection.write(Attacker(session, toy).hello())
        for _ in range(500):
            connection.write(Attacker(session, toy).frame())
        with StreamLink(session.invitation(1), 1) as link:
            Node(toy, 1).play(link)
        connection.close()
        assert session.traffic(0).frames <= 1
        assert session.failure is None
    assert toy.engine.finished == [11, 12, 13]


def test_a_frame_larger_than_agreed_breaks_its_stream_and_no_other(lines: list[str]) -> None:
    quick = split_settings(step_deadline_s=0.5, connect_deadline_s=0.5, quorum=0.5)
    toy = Toy(nodes=2, cohorts=1, steps=3, settings=quick)
    with toy.session() as session:
        attacker = Attacker(session, toy)
        for count in (1, 2):
            answer = attacker.say(attacker.hello(), attacker.frame() + bytes(50_000))
            assert answer.startswith("RESOURCE_EXHAUSTED")
            # The server's thread notices a little later than its peer.
            while f"refused {count} times" not in "".join(session.notes()):
                time.sleep(0.01)
        with StreamLink(session.invitation(1), 1) as link:
            Node(toy, 1).play(link)
        (note,) = [note for note in session.notes() if "refused" in note]
    assert note.startswith("node 0 was refused 2 times for streams that broke off")
    assert len(lines) == 1
    assert toy.engine.finished == [11, 12, 13]


def test_one_node_cannot_take_up_the_threads_of_all(lines: list[str]) -> None:
    toy = Toy(nodes=2, cohorts=1, steps=3)
    with toy.session() as session:
        attacker = Attacker(session, toy)
        # Three are allowed to a node with one lane; these say nothing and stay.
        silent = [attacker.dial() for _ in range(3)]
        while session._service._streams[0] < 3:
            time.sleep(0.01)
        assert attacker.say(attacker.hello()).startswith("RESOURCE_EXHAUSTED: node 0: expected at")
        assert len(lines) == 1
        with StreamLink(session.invitation(1), 1) as link:
            link.lane(0, toy.spec((2, 3)))
        for connection in silent:
            connection.close()


def test_activations_in_a_survey_are_refused() -> None:
    toy = Toy(nodes=1, cohorts=1)
    plan = SurveyPlan(toy.plan.pool)
    with SplitSession(toy.engine, plan, toy.spec, toy.seats(), toy.settings, 1) as session:
        attacker = Attacker(session, toy)
        answer = attacker.say(attacker.hello(), attacker.frame())
        assert answer == "node 0, cohort 0: expected a survey, got activations"
        assert attacker.say(attacker.hello(), attacker.survey()) == "taken"


def test_after_the_session_its_tokens_are_worth_nothing() -> None:
    toy = Toy(nodes=1, cohorts=1)
    with toy.session() as session:
        attacker = Attacker(session, toy)
        token = session.tickets.token(0)
        session.tickets.revoke()
        session.tickets._tokens[0] = token
        assert attacker.say(attacker.hello()).startswith("UNAUTHENTICATED: expected this session")


@pytest.mark.xdist_group("clocks")
def test_a_node_that_reads_nothing_holds_up_nobody() -> None:
    quick = split_settings(step_deadline_s=0.6, connect_deadline_s=0.4, quorum=0.5)
    toy = Toy(nodes=2, cohorts=1, steps=4, settings=quick)
    begin = time.monotonic()
    with toy.session() as session:
        attacker = Attacker(session, toy)
        connection = attacker.dial()
        # gRPC reads nothing from a stream before it is asked to.
        connection.write(attacker.hello())
        connection.write(attacker.frame())
        with StreamLink(session.invitation(1), 1) as link:
            Node(toy, 1).play(link)
    assert toy.engine.finished == [11, 12, 13, 14]
    # One deadline at the most, and the end of the session cancels what is left.
    assert time.monotonic() - begin < 5
    connection.close()


def test_nothing_that_arrived_is_ever_logged(
    lines: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    toy = Toy(nodes=1, cohorts=1)
    with caplog.at_level(logging.DEBUG), toy.session() as session:
        attacker = Attacker(session, toy)
        attacker.say(b"secret words" * 5)
        attacker.say(attacker.hello(), b"\x12\x0csecret words")
        notes = session.notes()
    assert "secret" not in "".join([*lines, *notes, caplog.text])
