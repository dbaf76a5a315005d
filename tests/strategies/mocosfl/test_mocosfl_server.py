"""The server half: pools, averages and refusals."""

import re
from collections.abc import Callable, Mapping
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from torch import Tensor

from strategies.common.agreed import Need
from strategies.common.errors import WireError
from strategies.common.inputs import Images
from strategies.common.provided import Provided
from strategies.common.round import Aggregated
from strategies.common.settings import RunSettings
from strategies.common.split.halves import SplitRound
from strategies.common.split.plan import SurveyPlan
from strategies.common.split.settings import SplitSettings
from strategies.common.task import Task
from strategies.mocosfl.server import MocoSFLServer
from strategies.mocosfl.settings import MocoSFLSettings
from strategies.mocosfl.state import MocoSFLServerState
from strategies.mocosfl.wire import MocoSFLModels
from tests.strategies.mocosfl.small_pool import replies_of

TASK = Task(num_classes=3, inputs=Images(1, 8, 8), feature_dim=0)
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
        settings, split = mocosfl_settings(**{**TINY, **overrides}), small_split(cohorts=cohorts)
        provided = Provided(run, settings, torch.device("cpu"), {Need.SPLIT: split})
        provided.agree(TASK)
        server = MocoSFLServer(settings, provided)
        return server, server.start()

    return build


@pytest.fixture
def one(started: Build) -> tuple[MocoSFLServer, MocoSFLServerState]:
    """Return one half and state, for many examples."""
    return started()


def uplink(clients: list[int], fronts: Tensor, momentum: Tensor | None = None) -> MocoSFLModels:
    return MocoSFLModels(fronts, torch.tensor(clients), momentum)


def aggregated(
    server: MocoSFLServer, state: MocoSFLServerState, uplinks: Mapping[int, MocoSFLModels]
) -> Aggregated:
    """Synchronise after a first round in which no step took place."""
    plan = server.plan(state, 1, [*uplinks] or [0])
    current = SplitRound(1, plan, server.engine(state, plan))
    return server.aggregate(state, current, replies_of(uplinks))


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
    server, _ = started(pool=2)

    plans = {number: server.survey_plan(number, [0, 1, 2]) for number in range(1, 11)}

    asked = [number for number, plan in plans.items() if plan is not None]
    assert asked == [4, 8, 10]
    assert plans[4] == SurveyPlan((0, 1, 2))


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

    aggregated(server, state, {c: uplink([c], row[None]) for c, row in models.items()})

    expected = torch.stack(list(models.values())).double().mean(0).float()
    torch.testing.assert_close(state.front, expected)


def test_of_a_sample_the_average_moves_as_far_as_its_members(started: Build) -> None:
    # A sum that began with client 0 would move by 0.8 with 5 of 20 clients.
    server, state = started()
    start = state.front.clone()

    aggregated(server, state, {c: uplink([c], (start + 1)[None]) for c in (3, 7, 8, 11, 19)})

    torch.testing.assert_close(state.front, start + 1)


def test_nodes_that_carry_several_clients_weigh_by_their_number(started: Build) -> None:
    server, state = started(per_node=2)
    ones = torch.ones(1, len(state.front))

    said = aggregated(
        server,
        state,
        {0: uplink([0, 1], torch.cat([0 * ones, 3 * ones])), 1: uplink([2], 6 * ones)},
    )

    torch.testing.assert_close(state.front, 3 * ones[0])
    # Distances 3, 0 and 3 in each of P components.
    distance = 2 * len(state.front) ** 0.5
    assert said.diagnostics["client_divergence"] == pytest.approx(distance, rel=1e-5)


def test_momentum_models_are_averaged_where_asked(started: Build) -> None:
    server, state = started(average_momentum=True)
    ones = torch.ones(1, len(state.front))
    first = server.broadcast(state).momentum
    assert first is not None
    assert torch.equal(first, state.front)

    aggregated(server, state, {0: uplink([0], ones, 2 * ones), 1: uplink([1], 3 * ones, 6 * ones)})

    sent = server.broadcast(state)
    torch.testing.assert_close(sent.model, 2 * ones[0])
    torch.testing.assert_close(sent.momentum, 4 * ones[0])


def test_without_replies_all_stays_and_is_said(started: Build) -> None:
    server, state = started()
    before = state.front.clone()

    said = aggregated(server, state, {})

    assert torch.equal(state.front, before)
    assert "no client model arrived" in said.notes[0]


# Refusals


def test_uplinks_must_be_the_pools(started: Build) -> None:
    server, state = started(per_node=2)
    plan = server.plan(state, 1, [0, 1])
    current = SplitRound(1, plan, server.engine(state, plan))
    rows = torch.zeros(3, len(state.front))

    def check(clients: list[int]) -> None:
        (reply,) = replies_of({1: uplink(clients, rows[: len(clients)])})
        server.check(state, current, reply)

    check([2, 3])
    for wrong in ([0, 1], [2], [3, 2], [2, 2]):
        told = re.escape(f"clients: expected [2, 3], got {wrong}")
        with pytest.raises(WireError, match=rf"client 1: mocosfl\.trained-models\.{told}"):
            check(wrong)
