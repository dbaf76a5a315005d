"""What every test may ask for: the project's own defaults, never a second copy of them."""

import tomllib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from strategies.common.settings import RunSettings, read_run

Value = bool | int | float | str


def _flatten(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Value]]:
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


@pytest.fixture(scope="session")
def _defaults() -> dict[str, Value]:
    pyproject = Path(__file__).parents[1] / "pyproject.toml"
    tables = tomllib.loads(pyproject.read_text(encoding="utf-8"))
    return dict(_flatten(tables["tool"]["flwr"]["app"]["config"]))


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
