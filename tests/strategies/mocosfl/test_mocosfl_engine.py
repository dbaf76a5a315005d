"""The server's step: cohorts, shares, scales, order, who is absent, and what it reports."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from strategies.common.split.plan import TrainingPlan
from strategies.common.split.wire.frames import Survey
from strategies.mocosfl.engine import MocoSFLEngine
from strategies.mocosfl.network import Encoder, Memory, projection_head
from strategies.mocosfl.settings import MocoSFLSettings
from strategies.mocosfl.state import MocoSFLServerState

BATCH = 2
POOL = (0, 1, 2, 3)
ONE = (POOL,)
TWO = ((0, 2), (1, 3))


def encoder(seed: int) -> Encoder:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        back = nn.Sequential(nn.Flatten(), nn.Linear(12, 6), nn.ReLU())
        return Encoder(back, projection_head(6, 8, 5))


def fresh_state(size: int = 30) -> MocoSFLServerState:
    online = encoder(0)
    velocity = {name: torch.zeros_like(p) for name, p in online.named_parameters()}
    memory = Memory(size, 5, torch.Generator().manual_seed(7))
    return MocoSFLServerState(
        online, encoder(1).requires_grad_(False), velocity, memory, torch.zeros(3), None
    )


@pytest.fixture
def engine(
    mocosfl_settings: Callable[..., MocoSFLSettings],
) -> Callable[..., tuple[MocoSFLEngine, MocoSFLServerState]]:
    """Build an engine over a fresh state."""

    def build(
        cohorts: tuple[tuple[int, ...], ...] = ONE,
        state: MocoSFLServerState | None = None,
        **overrides: Any,
    ) -> tuple[MocoSFLEngine, MocoSFLServerState]:
        state = state or fresh_state()
        plan = TrainingPlan(1, 4, BATCH, cohorts)
        return MocoSFLEngine(state, plan, mocosfl_settings(**overrides), 4, 3), state

    return build


Build = Callable[..., tuple[MocoSFLEngine, MocoSFLServerState]]


def sent(client: int, step: int = 1) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(100 * step + client)
    return (
        torch.randn(BATCH, 3, 2, 2, generator=generator),
        torch.randn(BATCH, 3, 2, 2, generator=generator),
    )


def arrived(clients: tuple[int, ...], step: int = 1) -> dict[int, tuple[Tensor, Tensor]]:
    return {client: sent(client, step) for client in clients}


def play(engine: MocoSFLEngine, step: int = 1, absent: tuple[int, ...] = ()) -> dict[int, Tensor]:
    gradients: dict[int, Tensor] = {}
    for cohort, clients in enumerate(engine.plan.cohorts):
        there = tuple(client for client in clients if client not in absent)
        gradients.update(engine.advance(step, cohort, arrived(there, step)))
    engine.finish(step)
    return gradients


def weights(held: nn.Module | dict[str, Tensor]) -> Tensor:
    parts = held.values() if isinstance(held, dict) else held.parameters()
    return torch.cat([part.detach().flatten() for part in parts])


def assert_same(one: Mapping[int, Tensor], other: Mapping[int, Tensor]) -> None:
    assert sorted(one) == sorted(other)
    for client in one:
        torch.testing.assert_close(one[client], other[client], rtol=1e-5, atol=1e-6)


def test_two_cohorts_learn_what_one_does(engine: Build) -> None:
    (one, state), (two, other) = engine(ONE), engine(TWO)

    for step in (1, 2, 3):
        assert_same(play(one, step), play(two, step))
        for field in ("online", "momentum", "velocity"):
            expected, got = weights(getattr(state, field)), weights(getattr(other, field))
            torch.testing.assert_close(got, expected, rtol=1e-5, atol=1e-6)
        # 16 keys a step into 30 rows: the ring wraps within the second step.
        torch.testing.assert_close(other.memory.rows, state.memory.rows, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("cohorts", [ONE, TWO])
def test_nothing_moves_between_the_cohorts_of_a_step(
    engine: Build, cohorts: tuple[tuple[int, ...], ...]
) -> None:
    work, state = engine(cohorts)
    before, rows = weights(state.online), state.memory.rows.clone()
    copy = weights(state.momentum)
    expected = copy.lerp(before, 0.01)

    for cohort, clients in enumerate(cohorts):
        work.advance(1, cohort, arrived(clients))
        assert torch.equal(weights(state.online), before)
        assert torch.equal(state.memory.rows, rows)
        # Once, towards the weights before this step's update.
        torch.testing.assert_close(weights(state.momentum), expected, rtol=0, atol=1e-7)
    work.finish(1)
    assert not torch.equal(weights(state.online), before)
    torch.testing.assert_close(weights(state.momentum), expected, rtol=0, atol=1e-7)


def test_keys_enter_by_client_first_those_of_the_query_views(engine: Build) -> None:
    work, state = engine(TWO)
    play(work)

    momentum = state.momentum
    queries = torch.cat([sent(client)[0] for client in POOL])
    keys = torch.cat([sent(client)[1] for client in POOL])
    with torch.no_grad():
        expected = torch.cat([momentum(keys), momentum(queries)])
    torch.testing.assert_close(state.memory.keys(), expected)


def test_the_pool_gradient_is_that_of_the_mean_over_all_samples(engine: Build) -> None:
    work, state = engine(ONE, symmetric="off")
    query = torch.cat([sent(client)[0] for client in POOL]).requires_grad_()
    key = torch.cat([sent(client)[1] for client in POOL])
    copy = encoder(1)
    with torch.no_grad():
        for slow, fast in zip(copy.parameters(), state.online.parameters(), strict=True):
            slow.lerp_(fast, 0.01)
        k = copy(key)
    q = encoder(0)(query)
    logits = torch.cat([(q * k).sum(1, keepdim=True), q @ state.memory.rows.T], 1) / 0.1
    functional.cross_entropy(logits, torch.zeros(8, dtype=torch.int64)).backward()

    gradients = play(work)

    got = torch.cat([gradients[client] for client in POOL])
    torch.testing.assert_close(got, query.grad, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("cohorts", [ONE, TWO])
def test_a_clients_own_mean_is_the_pools_times_its_size(
    engine: Build, cohorts: tuple[tuple[int, ...], ...]
) -> None:
    pool = play(engine(cohorts, gradient_scale="pool")[0])
    client = play(engine(cohorts, gradient_scale="client")[0])

    assert_same(client, {number: 4 * gradient for number, gradient in pool.items()})


@pytest.mark.parametrize("cohorts", [ONE, TWO])
def test_the_scale_of_a_client_does_not_know_who_is_late(
    engine: Build, cohorts: tuple[tuple[int, ...], ...]
) -> None:
    # Only client 0 and those that share the other cohort are there.
    alone = play(engine(cohorts, gradient_scale="client")[0], absent=(2,))
    everyone = play(engine(cohorts, gradient_scale="client")[0])

    assert_same(alone, {c: everyone[c] for c in (0, 1, 3)})


def test_of_late_clients_the_others_cohort_feels_nothing(engine: Build) -> None:
    everyone = play(engine(TWO)[0])
    without = play(engine(TWO)[0], absent=(2,))

    # Client 0's cohort is a mean over half as many samples with the same weight.
    expected = {0: 2 * everyone[0], 1: everyone[1], 3: everyone[3]}
    assert_same(without, expected)


def test_a_step_without_anyone_changes_nothing(engine: Build) -> None:
    work, state = engine(TWO)
    before = {name: weights(getattr(state, name)) for name in ("online", "momentum", "velocity")}

    assert play(work, absent=POOL) == {}

    assert all(torch.equal(weights(getattr(state, name)), old) for name, old in before.items())
    assert int(state.memory.written) == 0
    assert work.figures.means() == {}


def test_frozen_clients_get_no_gradient_and_the_server_learns(engine: Build) -> None:
    frozen, state = engine(ONE, expert="front.safetensors")
    trained, other = engine(ONE)

    assert play(frozen) == {}
    assert play(trained)
    torch.testing.assert_close(weights(state.online), weights(other.online))


def test_the_order_of_arrival_makes_no_difference(engine: Build) -> None:
    (one, state), (two, other) = engine(ONE), engine(ONE)
    backwards = dict(reversed(arrived(POOL).items()))

    first, second = one.advance(1, 0, arrived(POOL)), two.advance(1, 0, backwards)
    one.finish(1)
    two.finish(1)

    assert all(torch.equal(first[client], second[client]) for client in POOL)
    assert torch.equal(weights(state.online), weights(other.online))
    assert torch.equal(state.memory.rows, other.memory.rows)


def test_momentum_of_the_optimiser_lives_in_the_state(engine: Build) -> None:
    # Two sessions of one step are one session of two.
    long, state = engine(ONE)
    play(long, 1)
    play(long, 2)
    first, other = engine(ONE)
    play(first, 1)
    assert weights(other.velocity).norm() > 0
    second, _ = engine(ONE, state=other)
    play(second, 2)

    assert torch.equal(weights(state.online), weights(other.online))
    assert torch.equal(weights(state.velocity), weights(other.velocity))


def test_a_session_that_broke_off_leaves_no_gradient_behind(engine: Build) -> None:
    broken, state = engine(TWO)
    momentum = {name: own.clone() for name, own in state.momentum.state_dict().items()}
    broken.advance(1, 0, arrived((0, 2)))
    state.momentum.load_state_dict(momentum)

    again, expected = engine(TWO, state=state)[0], engine(TWO)
    play(again)
    play(expected[0])

    assert torch.equal(weights(state.online), weights(expected[1].online))


def test_figures_are_means_over_steps_and_cohorts(engine: Build) -> None:
    (one, _), (two, _) = engine(ONE), engine(TWO)
    for step in (1, 2):
        play(one, step)
        play(two, step)

    numbers = one.figures.means()
    assert numbers == pytest.approx(two.figures.means(), rel=1e-5)
    assert set(numbers) == {"loss", "contrast_accuracy", "alignment", "gradient_norm"}
    # Untrained, both terms are near guessing among 30 keys and one.
    assert numbers["loss"] == pytest.approx(2 * math.log(31), rel=0.5)
    assert 0 <= numbers["contrast_accuracy"] <= 1
    assert -1 <= numbers["alignment"] <= 1
    assert numbers["gradient_norm"] > 0


def test_the_step_size_follows_the_run(engine: Build) -> None:
    # Without momentum and decay the update is the rate times the gradient, so that the
    # third of four steps moves half as far as the first would.
    moved = []
    for step in (1, 3):
        work, state = engine(ONE, momentum=0.0, weight_decay=0.0)
        before = weights(state.online)
        work.advance(step, 0, arrived(POOL))
        work.finish(step)
        moved.append(weights(state.online) - before)
    torch.testing.assert_close(moved[1], moved[0] / 2, rtol=1e-3, atol=1e-6)


def test_the_server_warms_up(engine: Build) -> None:
    moved = []
    for steps in (0, 4):
        work, state = engine(ONE, momentum=0.0, weight_decay=0.0, warmup_steps=steps)
        before = weights(state.online)
        play(work, 1)
        moved.append(weights(state.online) - before)
    torch.testing.assert_close(moved[1], moved[0] / 4, rtol=1e-3, atol=1e-6)


def test_surveys_leave_features_by_split_and_client(engine: Build) -> None:
    work, state = engine(ONE)
    activations = sent(3)[0]

    work.survey(Survey(3, "test", activations, torch.tensor([2, 0])))

    features = work.surveyed.features("test")
    with torch.no_grad():
        assert torch.equal(features.features, state.online.features(activations))
    assert features.labels.tolist() == [2, 0]
    assert features.clients.tolist() == [3, 3]
