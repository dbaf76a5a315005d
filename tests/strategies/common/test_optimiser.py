"""Step sizes by hand, and moments that go on where a round left them."""

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from strategies.common.errors import SettingsError
from strategies.common.message import ModelState
from strategies.common.optimiser import (
    Schedule,
    general_optimiser,
    kept_moments,
    restore_moments,
    scheduled,
)
from strategies.common.samples import num_batches, shuffled_batches
from strategies.common.settings import RunSettings
from strategies.common.transport.state import load_tensors, to_tensors
from strategies.common.update_rule import Adam, Group
from strategies.fedktl.wire import ImageVectorPairs
from strategies.methods import METHODS, adapts, exchanges
from tests.strategies.fake_device import FakeDevice, blobs
from tests.strategies.halves import client, run_of, server

MESSAGE_METHODS = [name for name in METHODS if not exchanges(name) and not adapts(name)]
# Changes to a method's table with which the toy below can be played.
OWN: Mapping[str, Mapping[str, float]] = {
    "fedktl": {"transfer_weight": 50.0, "latent_dim": 3},
    "fedmrl": {"shared_dim": 3},
    "fedl2g": {"warm_up_rounds": 0},
}
# Modules in a client's state that are trained beside its model.
BESIDE = {"fedktl": {"projection"}, "fedkd": {"mentee", "hidden"}, "fedmrl": {"projection"}}
Build = Callable[..., RunSettings]


def first_downlink(method: str, device: FakeDevice) -> Any:
    """Return what comes down in the first round where a method cannot do without."""
    if method != "fedl2g":
        return None
    half = server(method, device.task, device.settings)
    return half.broadcast(half.start())


@pytest.mark.parametrize(
    ("schedule", "batch", "total", "expected"),
    [
        ("constant", 0, 8, 0.4),
        ("constant", 99, 8, 0.4),
        # 0.4 * (1 + cos(pi * b / 8)) / 2: cos 0 = 1, cos(pi/4) = 0.7071, cos(pi/2) = 0, cos pi = -1
        ("cosine", 0, 8, 0.4),
        ("cosine", 2, 8, 0.2 * (1 + math.sqrt(0.5))),
        ("cosine", 4, 8, 0.2),
        ("cosine", 6, 8, 0.2 * (1 - math.sqrt(0.5))),
        ("cosine", 8, 8, 0.0),
        # A run that goes on past its end does not climb again.
        ("cosine", 12, 8, 0.0),
        ("step", 0, 8, 0.4),
        ("step", 3, 8, 0.4),
        ("step", 4, 8, 0.04),
        ("step", 5, 8, 0.04),
        ("step", 6, 8, 0.004),
        ("step", 7, 8, 0.004),
        # Half of 7 batches is 3.5, three quarters are 5.25.
        ("step", 3, 7, 0.4),
        ("step", 4, 7, 0.04),
        ("step", 5, 7, 0.04),
        ("step", 6, 7, 0.004),
    ],
)
def test_step_sizes_by_hand(schedule: Schedule, batch: int, total: int, expected: float) -> None:
    assert scheduled(0.4, schedule, batch, total) == pytest.approx(expected, abs=1e-12)


@settings(max_examples=50, deadline=None)
@given(
    schedule=st.sampled_from(["constant", "cosine", "step"]),
    total=st.integers(1, 500),
    base=st.floats(1e-6, 10),
)
def test_step_sizes_begin_at_the_setting_and_never_rise(
    schedule: Schedule, total: int, base: float
) -> None:
    rates = [scheduled(base, schedule, batch, total) for batch in range(total + 1)]
    assert all(rate >= 0 for rate in rates)
    assert all(later <= earlier for earlier, later in pairwise(rates))
    if total > 2:
        assert rates[0] == pytest.approx(base)


@settings(max_examples=60, deadline=None)
@given(count=st.integers(1, 60), size=st.integers(2, 20))
def test_batches_are_counted_as_they_are_made(count: int, size: int) -> None:
    made = list(shuffled_batches(count, size, torch.Generator().manual_seed(0)))
    assert num_batches(count, size) == len(made)


def device_of(run: RunSettings, round_number: int = 1, count: int = 12) -> FakeDevice:
    inputs, labels = blobs(count // 3, (0, 1, 2), shape=(1, 8, 8))
    return FakeDevice(
        inputs, labels, inputs, labels, 3, 4, run, round_number=round_number, open_inputs=inputs
    )


def slope(layer: nn.Linear) -> Tensor:
    """Return a loss whose gradient is 1 for the only weight."""
    return layer.weight.sum()


def one_weight(value: float = 0.0) -> nn.Linear:
    layer = nn.Linear(1, 1, bias=False)
    nn.init.constant_(layer.weight, value)
    return layer


def test_a_round_takes_up_the_schedule_where_the_last_one_left_it(run_settings: Build) -> None:
    # 12 samples in batches of 6, twice, are 4 batches a round and 16 in 4 rounds.
    run = run_settings(rounds=4, batch_size=6, local_epochs=2, learning_rate=0.8, schedule="cosine")
    for round_number in (1, 2, 4):
        layer = one_weight()
        optimiser = general_optimiser(device_of(run, round_number), [[layer]])
        expected = 0.0
        for batch in range(4 * (round_number - 1), 4 * round_number):
            optimiser.step(slope(layer))
            expected -= 0.4 * (1 + math.cos(math.pi * batch / 16))
            assert layer.weight.item() == pytest.approx(expected, abs=1e-6)
            optimiser.advance()


def test_several_losses_of_a_batch_share_a_step_size(run_settings: Build) -> None:
    run = run_settings(rounds=2, batch_size=6, local_epochs=1, learning_rate=1.0, schedule="step")
    layer = one_weight()
    optimiser = general_optimiser(device_of(run, 2), [[layer]])
    # Round 2 of 2 begins at batch 2 of 4: a tenth, and from batch 3 a hundredth.
    for expected in (-0.1, -0.2):
        optimiser.step(slope(layer))
        assert layer.weight.item() == pytest.approx(expected)
    optimiser.advance()
    optimiser.step(slope(layer))
    assert layer.weight.item() == pytest.approx(-0.21)


def test_momentum_and_weight_decay_by_hand(run_settings: Build) -> None:
    run = run_settings(learning_rate=0.1, momentum=0.9, weight_decay=0.5)
    layer = one_weight(2.0)
    optimiser = general_optimiser(device_of(run), [[layer]])
    # g = 1 + 0.5 * 2 = 2, v = 2, w = 2 - 0.1 * 2 = 1.8
    optimiser.step(slope(layer))
    assert layer.weight.item() == pytest.approx(1.8)
    # g = 1 + 0.5 * 1.8 = 1.9, v = 0.9 * 2 + 1.9 = 3.7, w = 1.8 - 0.37 = 1.43
    optimiser.step(slope(layer))
    assert layer.weight.item() == pytest.approx(1.43)


@pytest.mark.parametrize(("momentum", "beta"), [(0.0, 0.9), (0.5, 0.5)])
def test_adamw_by_hand(run_settings: Build, momentum: float, beta: float) -> None:
    run = run_settings(learning_rate=0.1, optimiser="adamw", momentum=momentum, weight_decay=0.5)
    layer = one_weight(2.0)
    optimiser = general_optimiser(device_of(run), [[layer]])
    # Decay first: 2 * (1 - 0.1 * 0.5) = 1.9; then a first step of Adam has the length of the rate.
    optimiser.step(slope(layer))
    assert layer.weight.item() == pytest.approx(1.8, abs=1e-6)
    # Moments are (1 - beta^2) and (1 - 0.999^2) before their correction, which makes both 1.
    optimiser.step(slope(layer))
    assert layer.weight.item() == pytest.approx(1.8 * 0.95 - 0.1, abs=1e-6)
    (slot,) = optimiser.rule.moments.values()
    assert slot["exp_avg"].item() == pytest.approx(1 - beta**2)


def state_of(run: RunSettings) -> ModelState:
    return ModelState(device_of(run).build_model())


def learn(run: RunSettings, state: ModelState, steps: int) -> None:
    """Take steps as one round: an optimiser of its own, with the moments that were left."""
    optimiser = general_optimiser(device_of(run), [[state.model]])
    restore_moments(optimiser.rule, state, state.moments)
    inputs, labels = blobs(4, (0, 1, 2), shape=(1, 8, 8))
    for _ in range(steps):
        optimiser.step(nn.functional.cross_entropy(state.model(inputs), labels))
        optimiser.advance()
    state.moments = kept_moments(optimiser.rule, state)


OPTIMISERS: list[dict[str, Any]] = [
    {"optimiser": "adamw"},
    {"optimiser": "adamw", "momentum": 0.5, "weight_decay": 0.1},
    {"momentum": 0.9},
    {"momentum": 0.9, "weight_decay": 0.1},
]


@pytest.mark.parametrize("chosen", OPTIMISERS)
def test_two_short_rounds_are_one_long_one(run_settings: Build, chosen: dict[str, Any]) -> None:
    run = run_settings(learning_rate=0.01, **chosen)
    whole, parts, forgetful = state_of(run), state_of(run), state_of(run)
    learn(run, whole, 5)
    learn(run, parts, 2)
    woken = state_of(run)
    load_tensors(woken, to_tensors(parts))
    learn(run, woken, 3)
    expected, found = to_tensors(whole), to_tensors(woken)
    assert expected.keys() == found.keys()
    assert all(torch.equal(expected[name], found[name]) for name in expected)
    learn(run, forgetful, 2)
    forgetful.moments = {}
    learn(run, forgetful, 3)
    assert not torch.equal(forgetful.model.head.weight, whole.model.head.weight)


def test_restored_moments_are_copies(run_settings: Build) -> None:
    run = run_settings(learning_rate=0.01, optimiser="adamw")
    state = state_of(run)
    learn(run, state, 1)
    kept = {name: value.clone() for name, value in state.moments.items()}
    given = dict(state.moments)
    learn(run, state, 2)
    assert all(torch.equal(given[name], kept[name]) for name in kept)


def test_moments_of_modules_by_name_are_those_of_a_states_fields(run_settings: Build) -> None:
    state = ModelState(device_of(run_settings()).build_model())
    rule = Adam([Group([*state.model.parameters()])])
    rule.descend(state.model.head.weight.square().sum(), 0.1)
    kept = kept_moments(rule, {"model": state.model})
    assert kept.keys() == kept_moments(rule, state).keys()
    again = Adam([Group([*state.model.parameters()])])
    restore_moments(again, {"model": state.model}, kept)
    assert float(again.moments[state.model.head.weight]["step"]) == 1


def test_plain_descent_keeps_no_moments(run_settings: Build) -> None:
    state = state_of(run_settings())
    learn(run_settings(), state, 2)
    assert state.moments == {}
    assert [name for name in to_tensors(state) if name.startswith("moments")] == ["moments:nothing"]


@pytest.mark.parametrize("method", MESSAGE_METHODS)
def test_moments_are_named_after_what_they_belong_to(method: str) -> None:
    run = run_of(method, optimiser="adamw", learning_rate=0.001)
    device = device_of(run)
    half = client(method, device.task, run, **OWN.get(method, {}))
    state = half.start(device)
    half.train(device, state, first_downlink(method, device))
    stored = to_tensors(state)
    moments = {name for name in stored if name.startswith("moments/")}
    assert {name.rpartition("/")[2] for name in moments} == {"step", "exp_avg", "exp_avg_sq"}
    fields = {name.split("/")[1] for name in moments}
    assert fields == {"model"} | BESIDE.get(method, set())
    for name in moments:
        parameter = name.removeprefix("moments/").rpartition("/")[0]
        if not name.endswith("/step"):
            assert stored[name].shape == stored[parameter].shape


# Moments of weights that the federation's mean replaces are of no use to it.
@pytest.mark.parametrize(
    "method", [name for name in MESSAGE_METHODS if name not in ("fedavg", "feddf", "fedgen")]
)
def test_a_round_goes_on_from_the_moments_of_the_last(method: str) -> None:
    run = run_of(method, momentum=0.9, learning_rate=0.01)
    device = device_of(run)
    half, sent = (
        client(method, device.task, run, **OWN.get(method, {})),
        first_downlink(method, device),
    )
    steady, forgetful = half.start(device), half.start(device)
    for state in (steady, forgetful):
        half.train(device, state, sent)
    forgetful.moments = {}
    for state in (steady, forgetful):
        half.train(replace(device, round_number=2), state, sent)
    first, second = (state.model.body[1].weight for state in (steady, forgetful))
    assert not torch.equal(first, second)


def test_moments_of_a_head_that_is_drawn_anew_are_not_kept() -> None:
    run = run_of("fedktl", optimiser="adamw", learning_rate=0.001)
    half, device = client("fedktl", run=run, transfer_weight=50.0, latent_dim=3), device_of(run)
    pairs = ImageVectorPairs(
        torch.full((3, 1, 8, 8), 128, dtype=torch.uint8), torch.randn(3, 3), torch.arange(3)
    )
    alone, taught = half.start(device), half.start(device)
    half.train(device, alone, None)
    losses = half.train(replace(device, round_number=2), taught, pairs).losses
    assert "transfer" in losses
    assert set(taught.moments) == set(alone.moments)


@pytest.mark.parametrize("method", [name for name in METHODS if name not in MESSAGE_METHODS])
@pytest.mark.parametrize(
    ("key", "value"),
    [("optimiser", "adamw"), ("momentum", 0.5), ("weight_decay", 0.1), ("schedule", "cosine")],
)
def test_other_methods_refuse_what_they_would_not_read(method: str, key: str, value: Any) -> None:
    table = "adapters" if adapts(method) else method
    name = key.replace("_", "-")
    told = rf"setting {name}: expected .* for {method}, got .*; .* set in the table {table}$"
    with pytest.raises(SettingsError, match=told):
        client(method, run=run_of(method, **{key: value}))
    client(method, run=run_of(method))
