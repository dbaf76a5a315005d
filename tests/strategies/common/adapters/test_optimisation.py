from collections.abc import Callable

import pytest
import torch
from torch import nn

from strategies.common.adapters.optimisation import adapter_optimiser, rate_at
from strategies.common.adapters.settings import AdapterSettings
from strategies.common.run_config import read_table
from strategies.common.settings import RunSettings
from tests.strategies.asking_device import AskingDevice

Config = dict[str, bool | int | float | str]


@pytest.fixture
def adapters(config: Config) -> Callable[..., AdapterSettings]:
    def build(**changes: bool | float | str) -> AdapterSettings:
        named = {f"adapters.{name.replace('_', '-')}": value for name, value in changes.items()}
        return read_table({**config, **named}, "adapters", AdapterSettings)

    return build


def test_the_rate_rises_over_a_tenth_and_falls_to_nothing_at_the_end_of_the_run(
    adapters: Callable[..., AdapterSettings],
) -> None:
    settings = adapters(learning_rate=1.0, warmup=0.1)
    rates = [rate_at(settings, step, 40) for step in range(41)]
    assert rates[:4] == [0.25, 0.5, 0.75, 1.0]
    assert rates[4] == 1.0
    assert rates[22] == 0.5
    assert rates[40] == 0.0
    constant = adapters(learning_rate=1.0, warmup=0.0, schedule="constant")
    assert {rate_at(constant, step, 40) for step in (0, 20, 39)} == {1.0}


def test_what_a_loss_does_not_reach_stays_as_it_is(
    adapters: Callable[..., AdapterSettings], run_settings: Callable[..., RunSettings]
) -> None:
    one, other = nn.Linear(2, 2), nn.Linear(2, 2)
    before = [p.clone() for p in other.parameters()]
    device = AskingDevice(run_settings(rounds=2))
    optimiser = adapter_optimiser(
        [*one.parameters(), *other.parameters()], adapters(learning_rate=0.1), device, 5
    )
    for _ in range(3):
        optimiser.step(one(torch.ones(1, 2)).sum())
        optimiser.advance()
    assert all(torch.equal(a, b) for a, b in zip(before, other.parameters(), strict=True))


def test_a_later_round_goes_on_where_the_schedule_was(
    adapters: Callable[..., AdapterSettings], run_settings: Callable[..., RunSettings]
) -> None:
    """AdamW's first step moves every weight by the rate, whatever the gradient."""
    settings = adapters(learning_rate=0.1, warmup=0.0, weight_decay=0.0)
    moved = []
    for round_number in (1, 2):
        layer = nn.Linear(1, 1)
        device = AskingDevice(run_settings(rounds=2), round_number=round_number)
        optimiser = adapter_optimiser(layer.parameters(), settings, device, 5)
        before = layer.bias.item()
        optimiser.step(layer(torch.ones(1, 1)).sum())
        moved.append(before - layer.bias.item())
    assert moved == pytest.approx([0.1, 0.05], rel=1e-3)


def test_biases_do_not_decay(
    adapters: Callable[..., AdapterSettings], run_settings: Callable[..., RunSettings]
) -> None:
    layer = nn.Linear(1, 1)
    nn.init.constant_(layer.weight, 1.0)
    nn.init.constant_(layer.bias, 1.0)
    device = AskingDevice(run_settings(rounds=1))
    settings = adapters(learning_rate=0.1, warmup=0.0, weight_decay=1.0)
    optimiser = adapter_optimiser(layer.parameters(), settings, device, 5)
    optimiser.step(0.0 * layer(torch.ones(1, 1)).sum())
    assert layer.bias.item() == 1.0
    assert layer.weight.item() == pytest.approx(0.9)
