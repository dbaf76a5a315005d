"""Rounds without clients: learnt from what was sent, exactly, and told."""

from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from strategies.common.errors import StoreError
from strategies.common.settings import RunSettings
from strategies.common.split.plan import TrainingPlan
from strategies.common.split.settings import SplitSettings
from strategies.common.transport.state import load_tensors, to_tensors
from strategies.mocosfl.cache import Cache, Recorder, replayed_place
from strategies.mocosfl.engine import MocoSFLEngine
from strategies.mocosfl.network import Encoder, Memory, projection_head
from strategies.mocosfl.settings import MocoSFLSettings
from strategies.mocosfl.state import MocoSFLServerState
from tests.strategies.mocosfl.small_expert import write_expert
from tests.strategies.mocosfl.small_pool import SmallPool, tiny_clients

TINY = {
    "steps_per_round": 3,
    "memory_size": 40,
    "projection_hidden": 8,
    "projection_dim": 6,
    "batch": 2,
}
Build = Callable[..., SmallPool]


@pytest.fixture
def pool(
    mocosfl_settings: Callable[..., MocoSFLSettings],
    small_split: Callable[..., SplitSettings],
    run_settings: Callable[..., RunSettings],
    tmp_path: Path,
) -> Build:
    """Build a federation of four clients on two nodes, frozen by an expert."""

    def build(rounds: int = 4, cache_rounds: int = 1, **overrides: Any) -> SmallPool:
        run = run_settings(rounds=rounds, clients_per_node=2, server_device="cpu", evaluate_every=0)
        split = small_split(fronts="batched", cohorts=2)
        clients = tiny_clients(4, run)
        expert = tmp_path / "front.safetensors"
        plain = SmallPool(mocosfl_settings(**{**TINY, **overrides}), run, split, clients)
        if not expert.exists():
            write_expert(expert, split, plain.task, plain.state, shift=0.01)
        values = {**TINY, "expert": str(expert), "cache_rounds": cache_rounds, **overrides}
        return SmallPool(mocosfl_settings(**values), run, split, clients)

    return build


def linear_state() -> MocoSFLServerState:
    """Return a server of two linear layers, for activations of 3 x 2 x 2."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        back = nn.Sequential(nn.Flatten(), nn.Linear(12, 16), nn.ReLU())
        online = Encoder(back, projection_head(16, 0, 8))
    momentum = deepcopy(online).requires_grad_(False)
    velocity = {name: torch.zeros_like(p) for name, p in online.named_parameters()}
    memory = Memory(64, 8, torch.Generator().manual_seed(0))
    return MocoSFLServerState(online, momentum, velocity, memory, torch.zeros(1), None)


def play_alone(small: SmallPool, round_number: int) -> tuple[str, ...]:
    """Play a round that has no clients."""
    assert small.server.replays(round_number)
    return small.server.replay(small.state, round_number).notes


def cached(small: SmallPool) -> Cache:
    cache = small.state.cache
    assert cache is not None
    return cache


def assert_equal(one: MocoSFLServerState, other: MocoSFLServerState) -> None:
    left, right = to_tensors(one), to_tensors(other)
    assert left.keys() == right.keys()
    for name, tensor in left.items():
        assert torch.equal(tensor, right[name]), name


def test_a_replayed_step_is_the_step_that_was_sent(pool: Build) -> None:
    small = pool()
    plan = TrainingPlan(1, 2, 2, ((0, 2), (1, 3)))
    latent = (4, *[8, 8])
    generator = torch.Generator().manual_seed(0)

    def sent() -> tuple[Tensor, Tensor]:
        return tuple(torch.rand(2, *latent, generator=generator) for _ in range(2))  # type: ignore[return-value]

    steps = {
        # Client 3 is late in step 1, and the whole second cohort in step 2.
        1: ({0: sent(), 2: sent()}, {1: sent()}),
        2: ({0: sent(), 2: sent()}, {}),
    }
    start = deepcopy(small.state)
    recorder = Recorder()
    engine = MocoSFLEngine(small.state, plan, small.settings, 9, 3, recorder)
    for step, cohorts in steps.items():
        for cohort, arrived in enumerate(cohorts):
            assert engine.advance(step, cohort, arrived) == {}
        engine.finish(step)

    cache = recorder.appended_to(None)
    assert cache is not None
    again = MocoSFLEngine(start, TrainingPlan(1, 2, 1, ()), small.settings, 9, 3)
    for step in steps:
        again.replay(step, cache.step(step - 1))
    assert_equal(start, small.state)
    assert again.figures.means() == engine.figures.means()


def test_rounds_after_the_cache_play_what_came_and_nothing_else(pool: Build) -> None:
    small = pool(rounds=5, cache_rounds=2, pool=3)
    for round_number in (1, 2):
        assert not small.server.replays(round_number)
        small.play(round_number, late=[(2, 0, 1)])
    cache = cached(small)
    assert len(cache) == 6
    assert (cache.seats[:, 3] == 0).any()

    twin = pool(rounds=5, cache_rounds=2, pool=3)
    load_tensors(twin.state, to_tensors(small.state))
    for round_number in (3, 4):
        play_alone(small, round_number)
        plan = TrainingPlan(3 * (round_number - 1) + 1, 3, 2, ())
        engine = MocoSFLEngine(twin.state, plan, twin.settings, 15, 3)
        for step in range(plan.first_step, plan.first_step + 3):
            kept = cache.step(replayed_place(6, step, small.run.seed))
            engine.plan = TrainingPlan(step, 1, 2, kept.cohorts)
            for cohort, arrived in enumerate(kept.arrived):
                engine.advance(step, cohort, arrived)
            engine.finish(step)
        assert_equal(twin.state, small.state)
    assert torch.equal(cached(small).activations, cache.activations)


def test_what_is_kept_is_told_once_and_forgotten_after_the_last_round(pool: Build) -> None:
    small = pool()
    assert small.play(1).notes == ()
    # Three steps of four clients: two views of two samples of 4 x 8 x 8 numbers each.
    size = 3 * 4 * 2 * 2 * 256 * 4
    (note,) = play_alone(small, 2)
    assert f"3 steps of activations, {size:,} bytes" in note
    assert play_alone(small, 3) == ()
    assert cached(small).num_bytes == size
    assert play_alone(small, 4) == ()
    assert small.state.cache is None
    kept = {name for name in to_tensors(small.state) if name.startswith("cached")}
    assert kept == {"cached_activations:nothing", "cached_seats:nothing"}


@pytest.mark.parametrize("overrides", [{"cache_rounds": 0}, {"cache_rounds": 4}])
def test_nothing_is_kept_that_is_never_replayed(pool: Build, overrides: dict[str, int]) -> None:
    small = pool(rounds=4, **overrides)
    for round_number in (1, 2):
        small.play(round_number)
    assert small.state.cache is None
    assert not any(small.server.replays(round_number) for round_number in range(1, 5))


@pytest.mark.thorough
def test_a_resumed_replay_ends_as_an_uninterrupted_one(pool: Build) -> None:
    whole = pool(rounds=5, cache_rounds=2)
    stopped: dict[int, dict[str, Tensor]] = {}
    for round_number in (1, 2):
        whole.play(round_number)
        stopped[round_number] = to_tensors(whole.state)
    for round_number in (3, 4):
        play_alone(whole, round_number)
        stopped[round_number] = to_tensors(whole.state)

    for after, tensors in stopped.items():
        resumed = pool(rounds=5, cache_rounds=2)
        load_tensors(resumed.state, tensors)
        for round_number in range(after + 1, 5):
            if round_number < 3:
                resumed.play(round_number)
            else:
                play_alone(resumed, round_number)
        assert_equal(resumed.state, whole.state)


def test_a_session_that_broke_off_leaves_nothing_behind(pool: Build) -> None:
    small, undisturbed = pool(), pool()
    before = to_tensors(small.state)
    small.exchange(1)
    load_tensors(small.state, before)
    small.play(1)
    undisturbed.play(1)
    assert_equal(small.state, undisturbed.state)
    assert len(cached(small)) == 3


def test_a_run_that_has_ended_cannot_be_replayed_further(pool: Build) -> None:
    small = pool()
    with pytest.raises(StoreError, match=r"step 4: expected activations .* start a new run"):
        small.server.replay(small.state, 2)


def test_the_loss_falls_on_what_is_kept(
    mocosfl_settings: Callable[..., MocoSFLSettings],
) -> None:
    settings = mocosfl_settings(expert="x", cache_rounds=1, learning_rate=0.02)
    generator = torch.Generator().manual_seed(0)
    recorder = Recorder()
    for step in range(1, 9):
        samples = torch.randn(4, 4, 3, 2, 2, generator=generator)
        sent = {
            client: tuple(own + 0.1 * torch.randn(own.shape, generator=generator) for _ in range(2))
            for client, own in enumerate(samples)
        }
        recorder.add(step, 0, range(4), sent)
    cache = recorder.appended_to(None)
    assert cache is not None
    state = linear_state()

    losses = []
    for round_number in range(2, 14):
        engine = MocoSFLEngine(
            state, TrainingPlan(8 * (round_number - 1) + 1, 8, 1, ()), settings, 104, 3
        )
        engine.replay_all(cache, 0)
        losses.append(engine.figures.means()["loss"])

    assert sum(losses[-3:]) / 3 < 0.7 * losses[0]
