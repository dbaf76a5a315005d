"""What every test may ask for: the project's own defaults, never a second copy of them.

It is imported before the workers of ``pytest -n`` start, so it imports nothing of weight.
"""

from __future__ import annotations

import atexit
import gc
import os
import signal

# Read by torch when it is imported: tests compute tiny things, and workers share the cores.
os.environ.setdefault("OMP_NUM_THREADS", "1")
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    # Under nohup; but a test that sends the signal expects that it is heard.
    signal.signal(signal.SIGHUP, signal.SIG_DFL)

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from strategies.common.settings import RunSettings
    from tests.fresh_processes import FreshProcesses

Value = bool | int | float | str


@pytest.fixture(scope="session")
def fresh_processes() -> Iterator[FreshProcesses]:
    """Return what runs programs that must not see what other tests have imported."""
    from tests.fresh_processes import FreshProcesses

    processes = FreshProcesses()
    yield processes
    processes.close()


@pytest.fixture(scope="session")
def prepared_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Name the folder that ``share_prepared_data`` lets federations share."""
    from federations.split_federation import PREPARED

    PREPARED.append(tmp_path_factory.mktemp("prepared"))
    yield
    PREPARED.clear()


@pytest.fixture(scope="session")
def default_settings() -> dict[str, Value]:
    """Return Flower's flat run config with every default, for fixtures that live as long."""
    from strategies.common.run_config import default_config

    return default_config()


@pytest.fixture
def config(default_settings: dict[str, Value]) -> dict[str, Value]:
    """Flower's flat run config with every default; table ``t``'s key ``k`` is ``"t.k"``."""
    return dict(default_settings)


@pytest.fixture(scope="session")
def run_settings(default_settings: dict[str, Value]) -> Callable[..., RunSettings]:
    """Build general settings: the defaults, and overrides by Python name."""
    from strategies.common.run_config import read_run

    def build(**overrides: Value) -> RunSettings:
        named = {key.replace("_", "-"): value for key, value in overrides.items()}
        return read_run({**default_settings, **named})

    return build


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Spare the collector what was imported: it lives to the end, and each look at it costs."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()
        # Libraries in C++ complain at exit of what the last collection leaves.
        atexit.register(gc.unfreeze)


def _leave_to_make_check(item: pytest.Item) -> None:
    """Mark a case of a test whose marker ``quick`` names others."""
    quick = item.get_closest_marker("quick")
    if quick and isinstance(item, pytest.Function) and item.callspec.id not in quick.args:
        item.add_marker(pytest.mark.thorough)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Say which tests stay together on one worker, and let the longest begin.

    Tests of a method's federations read the same plays, and those of a file its fixtures.
    """
    for item in items:
        _leave_to_make_check(item)
    from strategies.methods import METHODS

    for item in items:
        if item.get_closest_marker("xdist_group") is None:
            called = getattr(item, "callspec", None)
            method = None if called is None else called.params.get("method")
            group = f"plays of {method}" if method in METHODS else item.path.stem
            item.add_marker(pytest.mark.xdist_group(group))
    items.sort(key=lambda item: item.get_closest_marker("federation") is None)
