"""Turns, deadlines, quorum and resumption, without a network."""

import re
import time
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from server_app.split.direct import DirectLink
from server_app.split.hub import Hub
from server_app.split.lanes import Lane
from server_app.split.refusals import Reason, RefusalError
from strategies.common.errors import ExchangeError
from strategies.common.split.wire.frames import Activations, Gradients, Skipped
from tests.server_app.split.toy_session import (
    Node,
    Toy,
    ToyEngine,
    activations,
    play_all,
    same,
    split_settings,
)


def direct(toy: Toy) -> tuple[Hub, list[Node], list[DirectLink]]:
    hub = toy.hub()
    nodes = [Node(toy, number) for number in range(toy.nodes)]
    return hub, nodes, [DirectLink(hub, node.number, toy.plan) for node in nodes]


def opened(
    toy: Toy, hub: Hub, node: int, cohort: int = 0, session: bytes = b""
) -> tuple[Lane, int]:
    lane = hub.lanes[node, cohort]
    return hub.open((node, cohort), lane.spec.digest(), session)


def frame(lane: Lane, step: int) -> Activations:
    clients = lane.spec.clients
    return Activations(step, activations(torch.ones(len(clients)), step, clients))


# Turns


def test_one_thread_plays_many_nodes_if_all_send_before_any_receives() -> None:
    toy = Toy(nodes=3, cohorts=1, steps=2)
    _, _, links = direct(toy)
    spec = [toy.spec(toy.plan.seats(node, 2)[0]) for node in range(3)]
    lanes = [link.lane(0, own) for link, own in zip(links, spec, strict=True)]
    for step in (11, 12):
        for own, lane in zip(spec, lanes, strict=True):
            lane.send(step, activations(torch.ones(2), step, own.clients))
        for lane in lanes:
            assert lane.receive().step == step
    assert toy.engine.turns == [(11, 0, (0, 1, 2, 3, 4, 5)), (12, 0, (0, 1, 2, 3, 4, 5))]


def test_the_engine_computes_with_the_threads_of_the_settings() -> None:
    seen = []
    toy = Toy(nodes=1, cohorts=1, steps=1)
    toy.engine.work = lambda: seen.append(torch.get_num_threads())
    before = torch.get_num_threads()
    hub = Hub(toy.engine, toy.plan, toy.spec, toy.seats(), toy.settings, before + 1)
    play_all([Node(toy, 0)], [DirectLink(hub, 0, toy.plan)])
    assert seen == [before + 1]
    assert torch.get_num_threads() == before


@settings(max_examples=8, deadline=None)
@given(st.randoms(use_true_random=False))
def test_the_order_of_arrival_changes_nothing(random: object) -> None:
    expected = Toy()
    _, nodes, links = direct(expected)
    numbers = play_all(nodes, links)
    permuted = Toy()
    _, nodes, links = direct(permuted)
    for node in nodes:
        delays = {(s, c): random.choice([0, 0, 2e-3, 5e-3]) for s in range(11, 16) for c in (0, 1)}  # type: ignore[attr-defined]
        node.before_send = lambda s, c, delays=delays: time.sleep(delays[s, c])  # type: ignore[misc]
    assert same(play_all(nodes, links), numbers)
    assert torch.equal(permuted.engine.weight, expected.engine.weight)
    assert permuted.engine.turns == expected.engine.turns


def test_frozen_clients_get_answers_without_gradients() -> None:
    toy = Toy(engine=ToyEngine(returns_gradient=False))
    _, nodes, links = direct(toy)
    numbers = play_all(nodes, links)
    assert {client: value.item() for client, value in numbers.items()} == pytest.approx(
        {client: 1 + client / 10 for client in range(6)}
    )
    assert toy.engine.finished == [11, 12, 13, 14, 15]


def test_a_node_without_clients_in_a_cohort_has_no_lane_there() -> None:
    toy = Toy(nodes=2)
    seats = {0: ((0,), (1,)), 1: ((2,), ())}
    hub = Hub(toy.engine, toy.plan, toy.spec, seats, toy.settings, 1)
    assert set(hub.lanes) == {(0, 0), (0, 1), (1, 0)}
    with pytest.raises(RefusalError, match="node 1, cohort 1: expected a cohort with clients"):
        hub.open((1, 1), b"")


def test_a_cohort_without_any_node_is_noticed_at_once() -> None:
    toy = Toy(nodes=2)
    with pytest.raises(ValueError, match="cohort 1: expected at least one node, got none"):
        Hub(toy.engine, toy.plan, toy.spec, {0: ((0,), ()), 1: ((2,), ())}, toy.settings, 1)


# Deadlines and quorum


def test_a_late_node_is_skipped_the_others_go_on_and_it_comes_back() -> None:
    quick = split_settings(step_deadline_s=0.8, connect_deadline_s=0.2, quorum=0.6)
    toy = Toy(nodes=3, cohorts=1, steps=6, settings=quick)
    hub, nodes, links = direct(toy)
    missed, back = Event(), Event()

    def sleepy(step: int, _cohort: int) -> None:
        # Steps 12 and 13 take place without node 2; it wakes when the second is over.
        if step == 12:
            assert missed.wait(10)

    def others(step: int, _cohort: int) -> None:
        if step == 14:
            missed.set()
            assert back.wait(10)

    nodes[0].before_send = nodes[1].before_send = others
    nodes[2].before_send = sleepy
    learn = nodes[2].learn
    nodes[2].learn = lambda *a: (back.set(), learn(*a))[1] if missed.is_set() else learn(*a)  # type: ignore[method-assign]
    play_all(nodes, links)
    everyone, punctual = (0, 1, 2, 3, 4, 5), (0, 1, 2, 3)
    present = [clients for _, _, clients in toy.engine.turns]
    assert present == [everyone, punctual, punctual, everyone, everyone, everyone]
    assert nodes[2].skipped == [Skipped(12, 14)]
    assert nodes[0].skipped == nodes[1].skipped == []
    assert hub.lanes[2, 0].skipped == 2
    assert hub.failure is None


@pytest.mark.xdist_group("clocks")
def test_only_the_first_missed_turn_waits_for_its_deadline() -> None:
    quick = split_settings(step_deadline_s=0.6, connect_deadline_s=0.1, quorum=0.5)
    toy = Toy(nodes=2, cohorts=1, steps=20, settings=quick)
    _, nodes, links = direct(toy)
    links[1].lane(0, toy.spec((2, 3)))
    begin = time.monotonic()
    nodes[0].play(links[0])
    # Nineteen more deadlines would be another eleven seconds.
    assert 0.7 <= time.monotonic() - begin < 6
    assert [clients for _, _, clients in toy.engine.turns] == [(0, 1)] * 20


def test_a_lost_quorum_ends_the_session_and_says_who_is_missing() -> None:
    quick = split_settings(step_deadline_s=0.1, connect_deadline_s=0.2, quorum=0.75)
    toy = Toy(nodes=12, cohorts=1, steps=2, settings=quick)
    hub, nodes, links = direct(toy)
    with ThreadPoolExecutor(3) as pool:
        found = [pool.submit(nodes[n].play, links[n]) for n in (0, 5, 7)]
        for future in found:
            with pytest.raises(ExchangeError, match="the server gave the exchange up: step 11"):
                future.result(10)
    assert hub.failure is not None
    assert re.search(r"12 lanes expected, 3 arrived within [\d.]+ s, at least 9", hub.failure)
    assert "missing: node 1, 2, 3, 4, 6, 8, 9, 10 and 1 more." in hub.failure
    assert "raise clients-per-node" in hub.failure
    assert toy.engine.turns == []


def test_a_session_to_which_nobody_comes_ends_when_it_is_asked() -> None:
    quick = split_settings(step_deadline_s=0.05, connect_deadline_s=0.05)
    hub = Toy(settings=quick).hub()
    hub.enforce_deadline()
    assert hub.failure is None
    time.sleep(0.15)
    hub.enforce_deadline()
    assert hub.failure is not None
    assert "0 arrived" in hub.failure


@pytest.mark.parametrize(
    ("quorum", "needed"), [(0.01, 1), (0.5, 5), (0.7, 7), (0.71, 8), (1.0, 10)]
)
def test_a_quorum_is_a_part_of_all_lanes_rounded_up(quorum: float, needed: int) -> None:
    quick = split_settings(step_deadline_s=0.01, connect_deadline_s=0.01, quorum=quorum)
    toy = Toy(nodes=10, cohorts=1, settings=quick)
    hub = toy.hub()
    for node in range(needed - 1):
        lane, stream = opened(toy, hub, node)
        hub.submit(lane, stream, frame(lane, 11))
    time.sleep(0.05)
    hub.enforce_deadline()
    assert hub.failure is not None
    assert f"{needed - 1} arrived" in hub.failure
    assert f"at least {needed} needed" in hub.failure


def test_an_engine_that_raises_ends_the_session_for_all() -> None:
    def explode() -> None:
        raise FloatingPointError("the loss is NaN")

    toy = Toy(nodes=2, engine=ToyEngine(work=explode))
    hub, nodes, links = direct(toy)
    with pytest.raises(ExchangeError, match="step 11: FloatingPointError: the loss is NaN"):
        play_all(nodes, links)
    assert hub.failure == "step 11: FloatingPointError: the loss is NaN"
    assert isinstance(hub.cause, FloatingPointError)


def test_closing_wakes_everyone() -> None:
    toy = Toy(nodes=2, cohorts=1)
    hub = toy.hub()
    lane, stream = opened(toy, hub, 0)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(hub.exchange, lane, stream, frame(lane, 11))
        time.sleep(0.05)
        hub.close()
        with pytest.raises(RefusalError, match="the server has ended the exchange"):
            waiting.result(5)
    with pytest.raises(RefusalError, match="the server has ended the exchange"):
        opened(toy, hub, 1)


# Resumption


def test_a_stream_that_returns_takes_up_where_it_was_whatever_had_happened() -> None:
    toy = Toy(nodes=2, cohorts=1)
    hub = toy.hub()
    other, other_stream = opened(toy, hub, 1)
    lane, stream = opened(toy, hub, 0)
    # Nothing taken yet: the node may not know its session.
    lane, stream = opened(toy, hub, 0)
    session = lane.session
    hub.submit(lane, stream, frame(lane, 11))
    # Arrived: sent again, it waits.
    lane, stream = opened(toy, hub, 0, session=session)
    hub.submit(lane, stream, frame(lane, 11))
    hub.submit(other, other_stream, frame(other, 11))
    first = hub.answer(lane, stream, 11)
    # Answered: sent again, the answer is given again.
    lane, stream = opened(toy, hub, 0, session=session)
    assert hub.exchange(lane, stream, frame(lane, 11)) is first
    # Answer received: it goes on with the next step.
    lane, stream = opened(toy, hub, 0, session=session)
    hub.submit(lane, stream, frame(lane, 12))
    assert lane.session == session
    assert [turn[0] for turn in toy.engine.turns] == [11]


def test_an_old_stream_is_ended_when_a_new_one_takes_its_place() -> None:
    toy = Toy(nodes=2, cohorts=1)
    hub = toy.hub()
    ended = Event()
    digest = hub.lanes[0, 0].spec.digest()
    lane, stream = hub.open((0, 0), digest, end=ended.set)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(hub.exchange, lane, stream, frame(lane, 11))
        while lane.outstanding is None:
            time.sleep(0.01)
        hub.open((0, 0), digest, lane.session)
        with pytest.raises(RefusalError) as refused:
            waiting.result(5)
    assert ended.is_set()
    assert refused.value.reason is Reason.REPLACED


@pytest.mark.parametrize("session", [b"", b"x" * 16])
def test_a_lane_in_use_is_not_taken_over_without_its_session(session: bytes) -> None:
    toy = Toy(nodes=2, cohorts=1)
    hub = toy.hub()
    lane, stream = opened(toy, hub, 0)
    hub.submit(lane, stream, frame(lane, 11))
    with pytest.raises(RefusalError, match="expected the session's id, got another or none") as no:
        opened(toy, hub, 0, session=session)
    assert no.value.reason is Reason.REPLAYED
    assert lane.stream == stream


def test_other_settings_are_refused() -> None:
    toy = Toy(nodes=1)
    with pytest.raises(RefusalError, match="node 0, cohort 0: expected the same frames"):
        toy.hub().open((0, 0), Toy(codec="float16").spec((0,)).digest())


@pytest.mark.parametrize("step", [10, 12, 0, 99])
def test_steps_out_of_order_are_refused(step: int) -> None:
    toy = Toy(nodes=1, cohorts=1)
    hub = toy.hub()
    lane, stream = opened(toy, hub, 0)
    with pytest.raises(RefusalError, match=f"expected step 11, got step {step}"):
        hub.exchange(lane, stream, frame(lane, step))


def test_a_step_is_not_taken_twice_on_one_stream() -> None:
    toy = Toy(nodes=1, cohorts=1, steps=2)
    hub = toy.hub()
    lane, stream = opened(toy, hub, 0)
    hub.exchange(lane, stream, frame(lane, 11))
    with pytest.raises(RefusalError, match="expected step 12, got step 11"):
        hub.exchange(lane, stream, frame(lane, 11))
    hub.exchange(lane, stream, frame(lane, 12))
    with pytest.raises(RefusalError, match="expected none after step 12, got step 13"):
        hub.exchange(lane, stream, frame(lane, 13))


def test_a_lane_that_stands_down_is_not_waited_for() -> None:
    toy = Toy(nodes=2, cohorts=1, steps=1)
    hub = toy.hub()
    lane, stream = opened(toy, hub, 0)
    other, other_stream = opened(toy, hub, 1)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(hub.exchange, lane, stream, frame(lane, 11))
        hub.stand_down(other, other_stream)
        answer = waiting.result(3)
    assert isinstance(answer, Gradients)
    assert toy.engine.turns == [(11, 0, (0, 1))]
