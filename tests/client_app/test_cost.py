"""What one client costs a device, in the server's books."""

from collections.abc import Callable

import pytest

from client_app import profile
from client_app.cost import cost_of_a_client
from client_app.profiling.figures import DeviceFigures, Workload
from strategies import methods
from strategies.common.errors import SettingsError
from strategies.common.inputs import Images
from strategies.common.task import Task

TASK = Task(10, Images(3, 32, 32), 0)
MEASURED = DeviceFigures("front", 100, 1000, 1600, 10_000_000, 20_000_000, 5_000_000, 8, 4, 2.5, 3)


def test_figures_are_those_of_one_image(
    config: dict[str, bool | int | float | str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Workload] = []

    def measure(work: Workload) -> DeviceFigures:
        asked.append(work)
        return MEASURED

    monkeypatch.setattr(profile, "measure_apart", measure)
    figures, notes = cost_of_a_client(methods.split_settings(config), TASK, 1)
    assert (asked[0].batch, asked[0].task, asked[0].threads) == (1, TASK, 1)
    assert notes == ()
    assert figures == {
        "model_bytes": 400.0,
        "memory_above_idle_bytes": 600.0,
        "mflop_per_image": 35.0,
        "up_per_image_bytes": 8.0,
        "down_per_image_bytes": 4.0,
        "ms_per_image": 2.5,
    }


@pytest.mark.parametrize("error", [SettingsError("no memory"), OSError("no such file")])
def test_a_device_that_cannot_be_measured_says_so_and_takes_part(
    config: dict[str, bool | int | float | str],
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
) -> None:
    def fail(work: Workload) -> Callable[[], None]:
        raise error

    monkeypatch.setattr(profile, "measure_apart", fail)
    figures, notes = cost_of_a_client(methods.split_settings(config), TASK, 1)
    assert figures == {}
    assert notes == (f"this device could not be measured: {error}",)
