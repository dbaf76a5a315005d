"""Settings that do not go together, and names and ranges."""

from collections.abc import Callable

import pytest

from strategies.common.errors import SettingsError
from strategies.mocosfl.settings import MocoSFLSettings


def test_an_expert_freezes_the_clients(mocosfl_settings: Callable[..., MocoSFLSettings]) -> None:
    assert mocosfl_settings(expert="front.safetensors").frozen
    assert not mocosfl_settings().frozen


def test_frozen_clients_have_nothing_to_average(
    mocosfl_settings: Callable[..., MocoSFLSettings],
) -> None:
    with pytest.raises(SettingsError, match=r"mocosfl\.average-momentum: .* false with an expert"):
        mocosfl_settings(expert="front.safetensors", average_momentum=True)


def test_clients_that_train_cannot_be_replayed(
    mocosfl_settings: Callable[..., MocoSFLSettings],
) -> None:
    assert mocosfl_settings(expert="front.safetensors", cache_rounds=3).cache_rounds == 3
    with pytest.raises(SettingsError, match=r"mocosfl\.cache-rounds: .* 0 without an expert"):
        mocosfl_settings(cache_rounds=1)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("version", "v3"),
        ("temperature", 0.0),
        ("ema", 1.5),
        ("momentum", 1.0),
        ("memory_size", 0),
        ("min_crop", 0.0),
        ("holdout_fraction", 1.0),
        ("gradient_scale", "mean"),
        ("client_schedule", "step"),
        ("cache_rounds", -1),
    ],
)
def test_a_value_out_of_range_is_named(
    mocosfl_settings: Callable[..., MocoSFLSettings], name: str, value: float | str
) -> None:
    with pytest.raises(SettingsError, match=f"mocosfl.{name.replace('_', '-')}"):
        mocosfl_settings(**{name: value})
