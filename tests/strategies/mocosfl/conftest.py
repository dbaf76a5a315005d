"""MocoSFL's settings as the project ships them, and with changes."""

from collections.abc import Callable, Mapping

import pytest

from strategies.common.run_config import read_table
from strategies.common.split.settings import SplitSettings
from strategies.mocosfl.settings import MocoSFLSettings

Value = bool | int | float | str


@pytest.fixture
def mocosfl_settings(config: Mapping[str, Value]) -> Callable[..., MocoSFLSettings]:
    """Build MocoSFL's settings: the defaults, and overrides by Python name."""

    def build(**overrides: Value) -> MocoSFLSettings:
        named = {f"mocosfl.{key.replace('_', '-')}": value for key, value in overrides.items()}
        return read_table({**config, **named}, "mocosfl", MocoSFLSettings)

    return build


@pytest.fixture
def small_split(config: Mapping[str, Value]) -> Callable[..., SplitSettings]:
    """Build settings of a narrow network, and overrides by Python name."""

    def build(**overrides: Value) -> SplitSettings:
        values = {"width": 4, "cut": 1, "cohorts": 1, "fronts": "sequential", **overrides}
        named = {f"split.{key.replace('_', '-')}": value for key, value in values.items()}
        return read_table({**config, **named}, "split", SplitSettings)

    return build
