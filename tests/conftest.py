"""What every test may ask for: the project's own defaults, never a second copy of them."""

from collections.abc import Callable

import pytest

from strategies.common.settings import RunSettings, default_config, read_run

Value = bool | int | float | str


@pytest.fixture(scope="session")
def _defaults() -> dict[str, Value]:
    return default_config()


@pytest.fixture
def config(_defaults: dict[str, Value]) -> dict[str, Value]:
    """Flower's flat run config with every default; table ``t``'s key ``k`` is ``"t.k"``."""
    return dict(_defaults)


@pytest.fixture(scope="session")
def run_settings(_defaults: dict[str, Value]) -> Callable[..., RunSettings]:
    """Build general settings: the defaults, and overrides by Python name."""

    def build(**overrides: Value) -> RunSettings:
        named = {key.replace("_", "-"): value for key, value in overrides.items()}
        return read_run({**_defaults, **named})

    return build
