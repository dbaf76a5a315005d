"""The server half over whole rounds: numbers, notes, divergence, surveys, and learning."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from strategies.common.errors import ModelError
from strategies.common.settings import RunSettings
from strategies.common.split.halves import SplitRound
from strategies.common.split.settings import SplitSettings
from strategies.common.transport.state import load_tensors, to_tensors
from strategies.mocosfl.settings import MocoSFLSettings
from tests.strategies.fake_device import FakeDevice, blobs
from tests.strategies.mocosfl.small_pool import SmallPool, replies_of, tiny_clients

TINY = {"steps_per_round": 2, "memory_size": 40, "projection_hidden": 8, "projection_dim": 6}


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
    plan = small.server.plan(small.state, 2, [0])
    engine = small.server.engine(small.state, plan)
    frame = torch.ones(2, *small.server.frames((0,), plan.batch).tensors[0].shape)
    engine.advance(3, 0, {0: (frame, frame)})
    engine.finish(3)

    with pytest.raises(ModelError, match=r"round 2: .* lower mocosfl\.learning-rate"):
        small.server.aggregate(small.state, SplitRound(2, plan, engine), replies_of(uplinks))


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


@pytest.mark.thorough
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
