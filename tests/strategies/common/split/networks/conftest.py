"""Settings of a split network, from the project's own defaults."""

from collections.abc import Callable

import pytest

from strategies.common.run_config import read_table
from strategies.common.split.settings import SplitSettings

Value = bool | int | float | str


@pytest.fixture
def split_settings(config: dict[str, Value]) -> Callable[..., SplitSettings]:
    """Build the settings: the defaults, and overrides by Python name."""

    def build(**overrides: Value) -> SplitSettings:
        named = {f"split.{key.replace('_', '-')}": value for key, value in overrides.items()}
        return read_table({**config, **named}, "split", SplitSettings)

    return build
