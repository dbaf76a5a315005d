"""The client's side of a step: views, order of the momentum update, step sizes."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from strategies.common.settings import RunSettings
from strategies.common.split.networks.stacked import StackedModels
from strategies.mocosfl.members import MocoSFLMembers, Models, Views
from strategies.mocosfl.schedule import cosine, wave
from strategies.mocosfl.settings import MocoSFLSettings
from tests.strategies.mocosfl.small_pool import tiny_clients

BATCH = 2
TOTAL = 10
Build = Callable[..., MocoSFLMembers]


def front() -> nn.Module:
    return nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.ReLU())


def models(count: int) -> Models:
    generator = torch.Generator().manual_seed(0)
    online, momentum, velocity = (torch.randn(count, 20, generator=generator) for _ in range(3))
    return Models(online, momentum, velocity, torch.zeros(count, dtype=torch.int64))


@pytest.fixture
def members(
    mocosfl_settings: Callable[..., MocoSFLSettings], run_settings: Callable[..., RunSettings]
) -> Build:
    """Build some clients' side of a step, each with its own random model."""

    def build(
        numbers: tuple[int, ...] = (0, 1, 2), own: Models | None = None, **overrides: Any
    ) -> MocoSFLMembers:
        everyone = tiny_clients(4, run_settings())
        clients = [everyone[number] for number in numbers]
        fronts = StackedModels(front(), batched=False)
        settings = mocosfl_settings(**overrides)
        own = own or models(len(clients))
        return MocoSFLMembers(clients, fronts, own, settings, BATCH, TOTAL)

    return build


def test_two_different_views_of_each_sample(members: Build) -> None:
    views = members().prepare(1)

    assert views.query.shape == views.key.shape == (3, BATCH, 1, 8, 8)
    assert not torch.equal(views.query, views.key)
    assert views.query.abs().max() <= 1
    assert torch.equal(views.query, members().prepare(1).query)
    assert not torch.equal(views.query, members().prepare(2).query)


def test_views_do_not_depend_on_who_else_is_on_the_node(members: Build) -> None:
    together = members((0, 1, 2)).prepare(3)

    for row, number in enumerate((0, 1, 2)):
        alone = members((number,)).prepare(3)
        torch.testing.assert_close(alone.query[0], together.query[row], rtol=0, atol=1e-6)
        torch.testing.assert_close(alone.key[0], together.key[row], rtol=0, atol=1e-6)


def computed(vectors: Tensor, inputs: Tensor) -> Tensor:
    with torch.no_grad():
        return StackedModels(front(), batched=False)(vectors, inputs)


def test_momentum_models_follow_before_keys_are_made(members: Build) -> None:
    own, start = models(3), models(3)
    work = members(own=own, ema=0.75)
    views = work.prepare(1)

    query, key = work.forward(views)

    followed = 0.75 * start.momentum + 0.25 * start.online
    torch.testing.assert_close(own.momentum, followed)
    torch.testing.assert_close(key, computed(followed, views.key))
    torch.testing.assert_close(query.detach(), computed(start.online, views.query))
    assert query.requires_grad
    assert not key.requires_grad


def test_prefetched_keys_are_made_before_the_momentum_models_follow(members: Build) -> None:
    own, start = models(3), models(3)
    views = members().prepare(1)
    work = members(own=own, ema=0.75, key_prefetch=True)

    _, key = work.forward(work.prepare(1))

    torch.testing.assert_close(key, computed(start.momentum, views.key))
    torch.testing.assert_close(own.momentum, 0.75 * start.momentum + 0.25 * start.online)


def test_frozen_models_are_one_and_never_move(members: Build) -> None:
    alone = models(1).online
    own = Models(alone, alone, torch.zeros(1, 20), torch.zeros(3, dtype=torch.int64))
    before = alone.clone()
    work = members(own=own, expert="front.safetensors")
    views = work.prepare(1)

    query, key = work.forward(views)

    assert not query.requires_grad
    torch.testing.assert_close(query, computed(before.expand(3, -1), views.query))
    torch.testing.assert_close(key, computed(before.expand(3, -1), views.key))
    assert torch.equal(own.online, before)


def stepped(work: MocoSFLMembers, step: int) -> tuple[Tensor, Tensor]:
    """Take a step with a gradient of ones; return the slope of each model and its move."""
    before = work.models.online.detach().clone()
    query, _ = work.forward(work.prepare(step))
    query_again = StackedModels(front(), batched=False)(
        leaf := before.clone().requires_grad_(), work.prepare(step).query
    )
    (slope,) = torch.autograd.grad(query_again.sum(), leaf)
    work.backward(step, query, torch.ones_like(query))
    return slope, work.models.online.detach() - before


def test_a_step_is_that_of_sgd_with_the_runs_cosine(members: Build) -> None:
    work = members(momentum=0.0, weight_decay=0.0, client_learning_rate=0.5)

    slope, move = stepped(work, 6)

    torch.testing.assert_close(move, -cosine(0.5, 6, TOTAL) * slope, rtol=1e-5, atol=1e-6)
    assert work.models.taken.tolist() == [1, 1, 1]
    assert work.gradient_norm == pytest.approx(float(slope.norm(dim=1).mean()), rel=1e-5)


@pytest.mark.parametrize("schedule", ["cosine", "wave"])
def test_clients_warm_up_too(members: Build, schedule: str) -> None:
    how = {"momentum": 0.0, "weight_decay": 0.0, "client_schedule": schedule}

    _, warm = stepped(members(warmup_steps=8, **how), 2)
    _, full = stepped(members(**how), 2)

    torch.testing.assert_close(warm, full / 4, rtol=1e-3, atol=1e-6)


def test_momentum_and_decay_are_torchs(members: Build) -> None:
    own, start = models(2), models(2)
    work = members((0, 1), own, momentum=0.9, weight_decay=0.01, client_learning_rate=0.5)

    slope, move = stepped(work, 1)

    velocity = 0.9 * start.velocity + slope + 0.01 * start.online
    torch.testing.assert_close(own.velocity, velocity, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(move, -0.5 * velocity, rtol=1e-5, atol=1e-5)


def test_the_wave_counts_each_clients_own_steps(members: Build) -> None:
    # Nine samples and a batch of two: four steps a pass, and two passes in ten steps.
    own = models(2)
    own.taken = torch.tensor([0, 1])
    work = members(
        (0, 1),
        own,
        momentum=0.0,
        weight_decay=0.0,
        client_learning_rate=0.5,
        client_schedule="wave",
    )

    slope, move = stepped(work, 6)

    rates = torch.tensor([[wave(0.5, 0, 2)], [wave(0.5, 1, 2)]])
    assert rates.flatten().tolist() == pytest.approx([0.5, 0.25])
    torch.testing.assert_close(move, -rates * slope, rtol=1e-5, atol=1e-6)
    assert work.models.taken.tolist() == [1, 2]


def test_before_any_answer_there_is_no_gradient_to_speak_of(members: Build) -> None:
    work = members()
    work.forward(Views(torch.zeros(3, BATCH, 1, 8, 8), torch.zeros(3, BATCH, 1, 8, 8)))
    assert work.gradient_norm == 0
