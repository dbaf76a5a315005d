"""The device half: what it refuses, what it sends home, late frames, surveys."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch

from strategies.common.errors import ExchangeError, WireError
from strategies.common.settings import RunSettings
from strategies.common.split.plan import SurveyPlan, TrainingPlan
from strategies.common.split.settings import SplitSettings
from strategies.common.transport.state import load_tensors, to_tensors
from strategies.mocosfl.features import bank_and_holdout
from strategies.mocosfl.settings import MocoSFLSettings
from tests.strategies.common.split.fake_link import FakeHub, FakeNode
from tests.strategies.mocosfl.small_pool import SmallPool, replies_of, tiny_clients

TINY = {
    "steps_per_round": 2,
    "memory_size": 40,
    "projection_hidden": 8,
    "projection_dim": 6,
    "batch": 2,
    "probe_epochs": 0,
    "semi_supervised": False,
}
Build = Callable[..., SmallPool]


@pytest.fixture
def pool(
    mocosfl_settings: Callable[..., MocoSFLSettings],
    small_split: Callable[..., SplitSettings],
    run_settings: Callable[..., RunSettings],
) -> Build:
    """Build a federation of four clients on two nodes."""

    def build(cohorts: int = 1, count: int = 4, per_node: int = 2, **overrides: Any) -> SmallPool:
        run = run_settings(rounds=3, clients_per_node=per_node, server_device="cpu")
        settings = mocosfl_settings(**{**TINY, **overrides})
        return SmallPool(settings, run, small_split(cohorts=cohorts), tiny_clients(count, run))

    return build


def test_private_models_stay_and_online_ones_go_home(pool: Build) -> None:
    small = pool(cohorts=2)
    before = small.state.front.clone()
    uplinks = small.exchange(1)

    assert [uplink.clients.tolist() for uplink in uplinks.values()] == [[0, 1], [2, 3]]
    for node, uplink in uplinks.items():
        assert uplink.momentum is None
        # Each client saw other samples.
        assert not torch.equal(uplink.models[0], uplink.models[1])
        private = small.private[node]
        assert private.taken.tolist() == [2, 2]
        assert private.momentum is not None
        # Two steps at 0.99 move a momentum model by at most a part of the online one's.
        moved = (private.momentum - before).norm(dim=1)
        assert bool((moved > 0).all())
        assert bool((moved < 0.05 * (uplink.models - before).norm(dim=1)).all())


def test_momentum_models_travel_where_they_are_averaged(pool: Build) -> None:
    small = pool(average_momentum=True)

    uplinks = small.exchange(1)
    small.server.aggregate(small.state, small.current, replies_of(uplinks))

    sent = torch.cat([uplink.momentum for uplink in uplinks.values()])
    # Nodes begin in any order.
    kept = torch.cat([small.private[node].momentum for node in uplinks])
    assert torch.equal(sent, kept)
    downlink = small.server.broadcast(small.state)
    torch.testing.assert_close(downlink.momentum, sent.mean(0))
    # The next round starts from the mean and not from what was kept.
    small.play(2)


def test_gradient_length_is_reported_and_no_loss(pool: Build) -> None:
    small = pool()
    plan = small.server.plan(small.state, 1, [0, 1])
    hub = FakeHub(
        small.server.engine(small.state, plan),
        plan,
        lambda own: small.server.frames(own, plan.batch),
        {0: plan.seats(0, 4)},
    )
    device = FakeNode(tuple(small.clients), hub.link(0))
    trained = small.half.train(
        device, small.half.start(device), small.server.broadcast(small.state)
    )
    assert set(trained.losses) == {"gradient_norm"}
    assert trained.losses["gradient_norm"] > 0


def test_a_late_frame_moves_no_weight_of_its_client_and_others_go_on(pool: Build) -> None:
    small = pool()
    before = small.state.front.clone()

    # Node 1 misses both steps of the round.
    uplinks = small.exchange(1, late={(1, 0, 1), (2, 0, 1)})

    assert torch.equal(uplinks[1].models, before.expand(2, -1))
    assert small.private[1].taken.tolist() == [0, 0]
    assert small.private[0].taken.tolist() == [2, 2]
    assert bool((uplinks[0].models != before).any(1).all())


def test_after_a_late_frame_later_steps_see_the_samples_they_would(pool: Build) -> None:
    small = pool()
    small.exchange(1, late={(1, 0, 1)})
    assert small.private[1].taken.tolist() == [1, 1]


@pytest.mark.parametrize("cohorts", [1, 2])
def test_rounds_resumed_from_the_store_are_the_uninterrupted_ones(
    pool: Build, cohorts: int
) -> None:
    straight, stopped = pool(cohorts), pool(cohorts)
    for round_number in (1, 2):
        straight.play(round_number)
    stopped.play(1)

    resumed = pool(cohorts)
    load_tensors(resumed.state, to_tensors(stopped.state))
    for node, private in stopped.private.items():
        again = resumed.half.start(FakeNode(tuple(resumed.clients[:2]), None))
        load_tensors(again, to_tensors(private))
        resumed.private[node] = again
    resumed.play(2)

    assert torch.equal(resumed.state.front, straight.state.front)
    assert torch.equal(resumed.weights(), straight.weights())
    assert torch.equal(resumed.state.memory.rows, straight.state.memory.rows)


@pytest.mark.parametrize("steps", [0, 2])
def test_a_message_without_a_client_model_is_refused(pool: Build, steps: int) -> None:
    small = pool()
    plan = TrainingPlan(1, steps, 2, ((0, 1),)) if steps else SurveyPlan((0, 1))
    hub = FakeHub(
        small.server.engine(small.state, plan),
        plan,
        lambda own: small.server.frames(own, plan.batch),
        {0: ((0, 1),)},
    )
    device = FakeNode(tuple(small.clients[:2]), hub.link(0))
    state = small.half.start(device)

    door = small.half.train if steps else small.half.evaluate
    with pytest.raises(WireError, match=r"server: .*mocosfl\.averaged-model"):
        door(device, state, None)


def test_a_node_without_clients_in_the_session_is_told_so(pool: Build) -> None:
    small = pool()
    plan = TrainingPlan(1, 2, 2, ((0, 1),))
    hub = FakeHub(
        small.server.engine(small.state, plan),
        plan,
        lambda own: small.server.frames(own, plan.batch),
        {0: ((0, 1),), 1: ((),)},
    )
    device = FakeNode(tuple(small.clients[2:]), hub.link(1))

    with pytest.raises(ExchangeError, match=r"clients that it carries, got one of \[0, 1\]"):
        small.half.train(device, small.half.start(device), small.server.broadcast(small.state))


def test_without_a_stream_there_is_no_round(pool: Build) -> None:
    small = pool()

    class NoStream:
        clients = tuple(small.clients)
        task, settings, partition = small.task, small.run, 0
        torch_device = torch.device("cpu")

        @property
        def link(self) -> None:
            raise ExchangeError("no stream")

    with pytest.raises(ExchangeError, match="no stream"):
        small.half.train(
            NoStream(), small.half.start(NoStream()), small.server.broadcast(small.state)
        )


def test_a_survey_sends_each_sample_once_as_it_is(pool: Build) -> None:
    small = pool()
    plan = small.server.survey_plan(3, [0, 1])
    assert plan is not None
    engine = small.server.engine(small.state, plan)
    hub = FakeHub(engine, plan, lambda own: small.server.frames(own, plan.batch), {})
    downlink = small.server.broadcast(small.state)
    for node in (0, 1):
        own = tuple(replace(client) for client in small.clients[2 * node : 2 * node + 2])
        device = FakeNode(own, hub.link(node))
        small.half.evaluate(device, small.half.start(device), downlink)

    client = small.clients[3]
    bank, holdout = bank_and_holdout(9, 0.1, client.settings.seed, 3)
    for split, rows in (("bank", bank), ("holdout", holdout)):
        got = engine.surveyed.features(split)
        assert got.labels[got.clients == 3].tolist() == client.labels[rows].tolist()
    test = engine.surveyed.features("test")
    assert len(test) == sum(len(other.test) for other in small.clients)
