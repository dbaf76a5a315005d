"""FedKTL's settings as the project ships them, and with changes."""

from collections.abc import Callable, Mapping

import pytest

from strategies.common.run_config import read_table
from strategies.fedktl.settings import FedKTLSettings

Value = bool | int | float | str


@pytest.fixture
def fedktl_settings(config: Mapping[str, Value]) -> Callable[..., FedKTLSettings]:
    """Build FedKTL's settings: the defaults, and overrides by Python name."""

    def build(**overrides: Value) -> FedKTLSettings:
        named = {f"fedktl.{key.replace('_', '-')}": value for key, value in overrides.items()}
        return read_table({**config, **named}, "fedktl", FedKTLSettings)

    return build
