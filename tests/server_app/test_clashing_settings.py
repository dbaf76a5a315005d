"""Settings that do not go together are refused before anything starts."""

import pytest

from server_app.half import open_settings
from strategies.common.errors import SettingsError
from strategies.common.run_config import default_config

Value = bool | int | float | str
OPEN: dict[str, Value] = {"open-data": "pfllib:there", "normalise": "channels"}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        (
            {"method": "fedl2g", "rounds": 3, "fedl2g.warm-up-rounds": 3},
            r"setting fedl2g\.warm-up-rounds: expected fewer than the 3 rounds of the run",
        ),
        ({**OPEN, "method": "feddf"}, r"setting normalise: .*with method feddf"),
        (
            {**OPEN, "method": "dsfl", "dsfl.server-model": "sensor_cnn"},
            r"setting normalise: .*with method dsfl",
        ),
    ],
)
def test_they_are_named(changes: dict[str, Value], reason: str) -> None:
    with pytest.raises(SettingsError, match=reason):
        open_settings({**default_config(), **changes})


@pytest.mark.parametrize(
    "changes",
    [
        {"method": "fedl2g", "rounds": 4, "fedl2g.warm-up-rounds": 3},
        {**OPEN, "method": "dsfl"},
        {**OPEN, "method": "fedmd"},
        {"open-data": "pfllib:there", "method": "feddf"},
    ],
)
def test_others_are_not(changes: dict[str, Value]) -> None:
    assert open_settings({**default_config(), **changes}).method == changes["method"]
