"""The words for a test by the nearest prototype; FedProto's own tests say that it chooses right."""

import pytest

from strategies import methods
from strategies.common.nearest import classified_by


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        (
            {"inference": "prototype", "test-classes": "own"},
            "the nearest prototype among the client's own classes",
        ),
        (
            {"inference": "prototype", "test-classes": "all"},
            "the nearest prototype among all classes",
        ),
        # The head chooses among all classes whatever competes otherwise.
        ({"inference": "head", "test-classes": "own"}, ""),
        # A run that began before there was the setting.
        (
            {"inference": "prototype"},
            "the nearest prototype of the round before, in round 1 of the client's own",
        ),
    ],
)
def test_every_measure_has_words_of_its_own(settings: dict[str, str], told: str) -> None:
    assert classified_by(settings) == told
    table: dict[str, bool | int | float | str] = {f"fedproto.{k}": v for k, v in settings.items()}
    assert methods.presentation("fedproto", table).classified_by == told
