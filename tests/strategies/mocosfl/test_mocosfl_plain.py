"""Both halves together against one plain loop over modules."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from strategies.common.settings import RunSettings
from strategies.common.split.settings import SplitSettings
from strategies.mocosfl.settings import MocoSFLSettings
from tests.strategies.mocosfl.plain_mocosfl import PlainMocoSFL
from tests.strategies.mocosfl.small_pool import SmallPool, tiny_clients

ROUNDS = 2
# 5 clients: 30 keys a step, so that the memory of 70 wraps within the third.
SMALL = {
    "steps_per_round": 2,
    "memory_size": 70,
    "projection_hidden": 16,
    "projection_dim": 8,
    "batch": 3,
}
PLAIN = {"merge_passes": False}


@pytest.fixture
def pair(
    mocosfl_settings: Callable[..., MocoSFLSettings],
    small_split: Callable[..., SplitSettings],
    run_settings: Callable[..., RunSettings],
) -> Callable[..., tuple[SmallPool, PlainMocoSFL]]:
    """Build the halves and the plain loop over the same clients, and play both."""

    def build(count: int, per_node: int = 1, **overrides: Any) -> tuple[SmallPool, PlainMocoSFL]:
        run = run_settings(rounds=ROUNDS, clients_per_node=per_node, server_device="cpu")
        split_keys = {"cohorts", "fronts", "cut"}
        split = small_split(**{k: v for k, v in overrides.items() if k in split_keys})
        own = {k: v for k, v in overrides.items() if k not in split_keys}
        settings = mocosfl_settings(**{**SMALL, **own})
        clients = tiny_clients(count, run)
        pool = SmallPool(settings, run, split, clients)
        plain = PlainMocoSFL(settings, run, split, clients, batch=settings.batch)
        for round_number in range(1, ROUNDS + 1):
            pool.play(round_number)
            plain.round()
        return pool, plain

    return build


@pytest.mark.parametrize(("count", "per_node"), [(1, 1), (5, 5), (20, 20)])
@pytest.mark.quick("1-1", "5-5")
def test_the_split_loop_is_the_plain_loop_bit_for_bit(
    pair: Callable[..., tuple[SmallPool, PlainMocoSFL]], count: int, per_node: int
) -> None:
    pool, plain = pair(count, per_node, **PLAIN, batch=1 if count == 20 else 3)

    assert torch.equal(pool.state.front, plain.front())
    assert torch.equal(pool.weights(), plain.weights())
    assert torch.equal(pool.state.memory.rows, torch.stack(plain.memory))
    copies = zip(pool.state.momentum.parameters(), plain.server_copy.parameters(), strict=True)
    assert all(torch.equal(own, other) for own, other in copies)


@pytest.mark.parametrize(
    ("how", "rounding"),
    [
        ({"cohorts": 2}, 1e-5),
        ({"merge_passes": True, "cohorts": 2, "cut": 2}, 1e-5),
        ({"fronts": "batched", "merge_passes": True, "cohorts": 2, "cut": 2}, 1e-3),
    ],
)
@pytest.mark.quick("how1-1e-05")
def test_faster_ways_give_the_same_numbers(
    pair: Callable[..., tuple[SmallPool, PlainMocoSFL]], how: dict[str, Any], rounding: float
) -> None:
    pool, plain = pair(5, 5, **{**PLAIN, **how})
    fresh = SmallPool(pool.settings, pool.run, pool.split, pool.clients)

    # Sums in another order differ by rounding, which steps then amplify.
    assert off(pool.state.front, plain.front(), fresh.state.front) < rounding
    assert off(pool.weights(), plain.weights(), fresh.weights()) < rounding
    memory, rows = pool.state.memory.rows, torch.stack(plain.memory)
    assert off(memory, rows, fresh.state.memory.rows) < rounding


@pytest.mark.parametrize(("count", "batch"), [(1, 3), (5, 3), (20, 1)])
def test_a_step_made_faster_is_the_plain_step_within_1e_5(
    mocosfl_settings: Callable[..., MocoSFLSettings],
    small_split: Callable[..., SplitSettings],
    run_settings: Callable[..., RunSettings],
    count: int,
    batch: int,
) -> None:
    run = run_settings(rounds=1, clients_per_node=count, server_device="cpu")
    split = small_split(cohorts=2, fronts="batched", cut=2)
    settings = mocosfl_settings(**{**SMALL, "steps_per_round": 1, "batch": batch})
    # The last maps of eight pixels are one pixel, whose normalisation magnifies rounding.
    clients = tiny_clients(count, run, side=16)
    pool = SmallPool(settings, run, split, clients)
    plain = PlainMocoSFL(settings, run, split, clients, batch=batch)
    pool.play(1)
    plain.round()

    within = {"rtol": 0.0, "atol": 1e-5}
    torch.testing.assert_close(pool.state.front, plain.front(), **within)
    torch.testing.assert_close(pool.weights(), plain.weights(), **within)
    torch.testing.assert_close(pool.state.memory.rows, torch.stack(plain.memory), **within)


def off(got: Tensor, expected: Tensor, start: Tensor) -> float:
    """Return a deviation as a part of what was learnt."""
    return float((got - expected).norm() / (expected - start).norm())


def test_clients_learn_the_same_however_they_share_nodes(
    pair: Callable[..., tuple[SmallPool, PlainMocoSFL]],
) -> None:
    # Five threads send in whatever order they come.
    apart, _ = pair(5, 1, **PLAIN)
    together, plain = pair(5, 5, **PLAIN)

    assert torch.equal(apart.state.front, together.state.front)
    assert torch.equal(apart.weights(), plain.weights())
