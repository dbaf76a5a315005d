"""The server half: pools, averages, refusals, notes, checkpoints, experts, and learning."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from torch import Tensor

from strategies.common.errors import ModelError, WireError
from strategies.common.settings import RunSettings
from strategies.common.split.settings import SplitSettings
from strategies.common.task import Task
from strategies.common.transport.state import load_tensors, to_tensors
from strategies.mocosfl.server import MocoSFLServer
from strategies.mocosfl.settings import MocoSFLSettings
from strategies.mocosfl.state import MocoSFLServerState
from strategies.mocosfl.wire import Fronts
from tests.strategies.fake_device import FakeDevice, blobs
from tests.strategies.mocosfl.small_pool import SmallPool, tiny_clients

TASK = Task(num_classes=3, channels=1, height=8, width=8, feature_dim=0)
TINY = {"steps_per_round": 2, "memory_size": 40, "projection_hidden": 8, "projection_dim": 6}
Build = Callable[..., tuple[MocoSFLServer, MocoSFLServerState]]


@pytest.fixture
def started(
    mocosfl_settings: Callable[..., MocoSFLSettings],
    small_split: Callable[..., SplitSettings],
    run_settings: Callable[..., RunSettings],
) -> Build:
    """Build a server half and its first state."""

    def build(
        per_node: int = 1, seed: int = 0, cohorts: int = 1, **overrides: Any
    ) -> tuple[MocoSFLServer, MocoSFLServerState]:
        run = run_settings(
            rounds=10, evaluate_every=4, clients_per_node=per_node, seed=seed, server_device="cpu"
        )
        server = MocoSFLServer(
            mocosfl_settings(**{**TINY, **overrides}), run, small_split(cohorts=cohorts)
        )
        return server, server.start(TASK)

    return build


@pytest.fixture
def one(started: Build) -> tuple[MocoSFLServer, MocoSFLServerState]:
    """Return one half and state, for many examples."""
    return started()


def uplink(clients: list[int], fronts: Tensor, momentum: Tensor | None = None) -> Fronts:
    empty = torch.zeros(0, fronts.shape[1])
    return Fronts(fronts, empty if momentum is None else momentum, torch.tensor(clients))


# Who takes part


def test_all_take_part_where_they_are_few(started: Build) -> None:
    server, state = started(per_node=2, cohorts=2)

    plan = server.plan(state, 3, [0, 4])

    assert plan.pool == (0, 1, 8, 9)
    assert plan.cohorts == ((0, 8), (1, 9))
    assert (plan.first_step, plan.steps, plan.batch) == (5, 2, 25)


def test_pools_are_drawn_anew_each_round_and_uniformly(started: Build) -> None:
    server, state = started(per_node=4, pool=5)

    pools = [server.plan(state, number, range(5)).pool for number in range(1, 401)]

    assert all(len(set(pool)) == 5 and set(pool) <= set(range(20)) for pool in pools)
    assert len(set(pools)) > 350
    # 400 pools of 5 among 20: each client 100 times, give or take 4 standard deviations.
    counts = [sum(client in pool for pool in pools) for client in range(20)]
    assert all(65 <= count <= 135 for count in counts)
    again, other = started(per_node=4, pool=5), started(per_node=4, pool=5, seed=1)
    assert again[0].plan(again[1], 7, range(5)).pool == pools[6]
    assert [other[0].plan(other[1], n, range(5)).pool for n in range(1, 9)] != pools[:8]


def test_surveys_ask_everyone_every_so_often_and_at_the_end(started: Build) -> None:
    server, state = started(pool=2)

    plans = {number: server.survey_plan(state, number, [0, 1, 2]) for number in range(1, 11)}

    asked = [number for number, plan in plans.items() if plan is not None]
    assert asked == [4, 8, 10]
    plan = plans[4]
    assert plan is not None
    assert (plan.steps, plan.pool) == (0, (0, 1, 2))


def test_what_was_left_open_is_told(started: Build) -> None:
    server, _ = started(steps_per_round=0, projection_dim=0, projection_hidden=0)
    assert server.resolved() == {
        "mocosfl.steps-per-round": 50,
        "mocosfl.symmetric": "on",
        "mocosfl.projection-hidden": 1024,
        "mocosfl.projection-dim": 1024,
    }


# Synchronisation


@hypothesis_settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.sets(st.integers(0, 19), min_size=1, max_size=7), st.integers(0, 5))
def test_the_average_is_that_of_exactly_the_pool(
    one: tuple[MocoSFLServer, MocoSFLServerState], pool: set[int], seed: int
) -> None:
    server, state = one
    start = state.front.clone()
    generator = torch.Generator().manual_seed(seed)
    models = {client: torch.randn(len(start), generator=generator) for client in sorted(pool)}

    server.aggregate(state, 1, {c: uplink([c], row[None]) for c, row in models.items()})

    expected = torch.stack(list(models.values())).double().mean(0).float()
    torch.testing.assert_close(state.front, expected)


def test_of_a_sample_the_average_moves_as_far_as_its_members(started: Build) -> None:
    # A sum that began with client 0 would move by 0.8 with 5 of 20 clients.
    server, state = started()
    start = state.front.clone()

    server.aggregate(state, 1, {c: uplink([c], (start + 1)[None]) for c in (3, 7, 8, 11, 19)})

    torch.testing.assert_close(state.front, start + 1)


def test_nodes_that_carry_several_clients_weigh_by_their_number(started: Build) -> None:
    server, state = started(per_node=2)
    ones = torch.ones(1, len(state.front))

    said = server.aggregate(
        state, 1, {0: uplink([0, 1], torch.cat([0 * ones, 3 * ones])), 1: uplink([2], 6 * ones)}
    )

    torch.testing.assert_close(state.front, 3 * ones[0])
    # Distances 3, 0 and 3 in each of P components.
    distance = 2 * len(state.front) ** 0.5
    assert said.diagnostics["client_divergence"] == pytest.approx(distance, rel=1e-5)


def test_momentum_models_are_averaged_where_asked(started: Build) -> None:
    server, state = started(average_momentum=True)
    ones = torch.ones(1, len(state.front))
    assert torch.equal(server.downlink(state, 0).momentum[0], state.front)

    server.aggregate(state, 1, {0: uplink([0], ones, 2 * ones), 1: uplink([1], 3 * ones, 6 * ones)})

    sent = server.downlink(state, 1)
    torch.testing.assert_close(sent.front, 2 * ones[0])
    torch.testing.assert_close(sent.momentum, 4 * ones)
    assert server.downlink(state, 0) is sent


def test_without_replies_all_stays_and_is_said(started: Build) -> None:
    server, state = started()
    before = state.front.clone()

    said = server.aggregate(state, 1, {})

    assert torch.equal(state.front, before)
    assert "no client model arrived" in said.notes[0]


# Refusals


def test_uplinks_must_be_the_pools_and_of_the_networks_size(started: Build) -> None:
    server, state = started(per_node=2)
    server.plan(state, 1, [0, 1])
    rows = torch.zeros(2, len(state.front))
    server.check(1, uplink([2, 3], rows))

    bad = {
        r"clients: expected \[2, 3\], got \[0, 1\]": uplink([0, 1], rows),
        r"clients: expected \[2, 3\], got \[2\]": uplink([2], rows[:1]),
        r"clients: expected \[2, 3\], got \[3, 2\]": uplink([3, 2], rows),
        r"clients: expected \[2, 3\], got \[2, 2\]": uplink([2, 2], rows),
        r"fronts: expected \(2, 44\), got \(2, 43\)": uplink([2, 3], rows[:, 1:]),
        r"momentum: expected \(0, 44\), got \(2, 44\)": uplink([2, 3], rows, rows),
        r"fronts: expected finite": uplink([2, 3], rows + torch.nan),
    }
    for message, wrong in bad.items():
        with pytest.raises(WireError, match=rf"client 1: mocosfl\.fronts\.{message}"):
            server.check(1, wrong)


def test_an_engine_of_another_method_is_not_assessed(started: Build) -> None:
    server, state = started()
    with pytest.raises(TypeError, match="MocoSFL"):
        server.assess(state, object())


# Sessions


@pytest.fixture
def small_pool(
    mocosfl_settings: Callable[..., MocoSFLSettings],
    small_split: Callable[..., SplitSettings],
    run_settings: Callable[..., RunSettings],
) -> Callable[..., SmallPool]:
    """Build a federation of three clients on one node."""

    def build(**overrides: Any) -> SmallPool:
        run = run_settings(rounds=2, clients_per_node=3, server_device="cpu", evaluate_every=1)
        settings = mocosfl_settings(**{**TINY, "batch": 2, **overrides})
        return SmallPool(settings, run, small_split(fronts="batched"), tiny_clients(3, run))

    return build


def test_a_session_is_told_in_numbers(small_pool: Callable[..., SmallPool]) -> None:
    small = small_pool()

    said = small.play(1)

    assert set(said.diagnostics) == {
        "loss",
        "contrast_accuracy",
        "alignment",
        "gradient_norm",
        "key_spread",
        "client_divergence",
    }
    assert 0 < said.diagnostics["key_spread"] < 1
    assert said.diagnostics["client_divergence"] > 0


def test_collapse_is_told_once_the_memory_holds_nothing_but_keys(
    small_pool: Callable[..., SmallPool],
) -> None:
    # Twelve keys a step, two steps a round.
    filled, filling = small_pool(memory_size=24), small_pool(memory_size=25)
    for small in (filled, filling):
        with torch.no_grad():
            for encoder in (small.state.online, small.state.momentum):
                encoder.head[-1].weight.zero_()
                encoder.head[-1].bias.fill_(1)
    rate_does_not_matter = [small.play(1) for small in (filled, filling)]

    assert "collapsed" in rate_does_not_matter[0].notes[0]
    assert rate_does_not_matter[1].notes == ()


def test_divergence_is_an_error_that_says_what_to_do(
    small_pool: Callable[..., SmallPool],
) -> None:
    small = small_pool()
    uplinks = small.exchange(1)
    with torch.no_grad():
        next(small.state.online.parameters()).fill_(torch.nan)
    small.server.plan(small.state, 2, [0])
    engine = small.server.engine(small.state, small.server.plan(small.state, 2, [0]))
    frame = torch.ones(2, *small.server.frames(engine.plan, (0,)).tensors[0].shape)
    engine.advance(3, 0, {0: (frame, frame)})
    engine.finish(3)

    with pytest.raises(ModelError, match=r"round 2: .* lower mocosfl\.learning-rate"):
        small.server.aggregate(small.state, 2, uplinks)


def test_surveys_evaluate_each_client_and_more_at_the_end(
    small_pool: Callable[..., SmallPool],
) -> None:
    small = small_pool(probe_epochs=2)

    first, last = small.survey(1), small.survey(2)

    assert first is not None
    assert last is not None
    assert dict(first.test_samples) == {0: 6, 1: 6, 2: 6}
    correct = sum(evaluation.correct for evaluation in first.evaluations.values())
    assert first.said.diagnostics["knn_accuracy"] == pytest.approx(correct / 18)
    assert set(first.said.diagnostics) == {
        "knn_accuracy",
        "knn_holdout_accuracy",
        "probe_accuracy",
        "probe_best_accuracy",
    }
    assert set(last.said.diagnostics) == {
        *first.said.diagnostics,
        "semi_10_accuracy",
        "semi_1_accuracy",
    }
    # Nothing was learnt in between, and evaluation changes nothing.
    assert last.evaluations == first.evaluations


def test_a_second_try_starts_from_the_last_synchronisation(
    small_pool: Callable[..., SmallPool],
) -> None:
    straight, tried = small_pool(), small_pool()
    before = to_tensors(tried.state)
    tried.exchange(1)
    load_tensors(tried.state, before)
    tried.private.clear()

    straight.play(1)
    tried.play(1)

    assert torch.equal(tried.state.front, straight.state.front)
    assert torch.equal(tried.weights(), straight.weights())


def test_neighbours_find_classes_better_after_a_few_steps(
    mocosfl_settings: Callable[..., MocoSFLSettings],
    small_split: Callable[..., SplitSettings],
    run_settings: Callable[..., RunSettings],
) -> None:
    run = run_settings(rounds=2, clients_per_node=4, server_device="cpu", evaluate_every=1)
    settings = mocosfl_settings(
        steps_per_round=25,
        memory_size=128,
        projection_hidden=32,
        projection_dim=32,
        batch=8,
        learning_rate=0.002,
        client_learning_rate=0.002,
        flip=False,
        min_crop=0.5,
        knn_neighbours=10,
        probe_epochs=0,
        semi_supervised=False,
    )
    clients = []
    for number in range(4):
        drawn = [
            blobs(n, range(4), shape=(1, 8, 8), noise=0.5, seed=s)
            for n, s in ((10, number), (5, 1000 + number))
        ]
        (inputs, labels), (tests, test_labels) = drawn
        clients.append(
            FakeDevice(inputs / 3, labels, tests / 3, test_labels, 4, 0, run, partition=number)
        )
    small = SmallPool(settings, run, small_split(fronts="batched"), clients)

    before = small.survey(1)
    for round_number in (1, 2):
        small.play(round_number)
    after = small.survey(2)

    assert before is not None
    assert after is not None
    gained = after.said.diagnostics["knn_accuracy"] - before.said.diagnostics["knn_accuracy"]
    assert gained > 0.15
