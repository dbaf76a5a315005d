from collections.abc import Callable, Mapping
from unittest.mock import patch

import pytest
import torch
from torch import nn

from strategies.common.adapters.learning import Tuning, require_movement, tune
from strategies.common.adapters.reading import Batch
from strategies.common.adapters.settings import AdapterSettings
from strategies.common.errors import ModelError
from strategies.common.optimiser import Optimiser
from strategies.common.payload import Payload
from strategies.common.run_config import read_table
from strategies.common.settings import RunSettings
from tests.strategies.asking_device import AskingDevice

Config = dict[str, bool | int | float | str]


def played(
    config: Config, run: RunSettings, loss: Callable[[nn.Linear], torch.Tensor]
) -> tuple[Mapping[str, float], list[float]]:
    """Return the losses, and the rate of both steps of each batch."""
    config |= {"adapters.learning-rate": 1.0, "adapters.warmup": 0.0}
    adapters = read_table(config, "adapters", AdapterSettings)
    adapter, rates = nn.Linear(1, 1), []

    def lesson(batch: Batch, optimiser: Optimiser) -> Mapping[str, float]:
        for _ in range(2):
            with patch.object(optimiser.rule, "step", wraps=optimiser.rule.step) as moved:
                optimiser.step(loss(adapter))
            rates.append(moved.call_args.args[0])
        return {"length": float(len(batch))}

    tuning: Tuning[Payload] = Tuning({"only": [*adapter.parameters()]}, lesson, lambda: None)
    trained = tune(AskingDevice(run), adapters, nn.Linear(1, 1), tuning)
    return trained.losses, rates


def test_all_steps_of_a_batch_are_of_one_size_and_losses_weigh_by_samples(
    config: Config, run_settings: Callable[..., RunSettings]
) -> None:
    run = run_settings(rounds=1, batch_size=8, local_epochs=2)
    losses, rates = played(config, run, lambda adapter: adapter(torch.ones(1, 1)).sum())
    # Batches of 8 and 4 samples, twice: the rate falls from 1 to 0 over four batches.
    assert rates == [1.0, 1.0, 0.75, 0.75, 0.5, 0.5, 0.25, 0.25]
    assert losses["length"] == pytest.approx((8 * 8 + 4 * 4) / 12)


def test_an_adapter_that_stays_or_is_no_number_is_refused(
    config: Config, run_settings: Callable[..., RunSettings]
) -> None:
    config["adapters.weight-decay"] = 0.0
    with pytest.raises(ModelError, match="the only adapter did not move in this round"):
        played(config, run_settings(rounds=1), lambda adapter: 0 * adapter.weight.sum())
    with pytest.raises(ModelError, match="the own adapter is no longer finite"):
        require_movement("own", torch.zeros(2), torch.tensor([0.0, float("nan")]))
