"""What every test may ask for: the project's own defaults, never a second copy of them."""

import os

# Read by torch when it is imported: tests compute tiny things, and workers share the cores.
os.environ.setdefault("OMP_NUM_THREADS", "1")

from collections.abc import Callable, Iterator

import pytest

from strategies.common.settings import RunSettings, default_config, read_run
from strategies.methods import METHODS
from tests.fresh_processes import FreshProcesses

Value = bool | int | float | str


@pytest.fixture(scope="session")
def fresh_processes() -> Iterator[FreshProcesses]:
    """Return what runs programs that must not see what other tests have imported."""
    processes = FreshProcesses()
    yield processes
    processes.close()


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


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Say which tests stay together on one worker, and let the longest begin.

    Tests of a method's federations read the same plays, and those of a file its fixtures.
    """
    for item in items:
        if item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group(_group(item)))
    items.sort(key=lambda item: item.get_closest_marker("federation") is None)


def _group(item: pytest.Item) -> str:
    called = getattr(item, "callspec", None)
    method = None if called is None else called.params.get("method")
    return f"plays of {method}" if method in METHODS else item.path.stem
