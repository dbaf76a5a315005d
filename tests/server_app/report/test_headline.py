"""What the report says of how its numbers came about, as methods state it."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from server_app.comparison import compare
from server_app.report.headline import method_of_measurement, verdict
from server_app.run_record import RunRecord, read_run_record
from tests.server_app.run_folders import round_of, write_run


def run(
    folder: Path, method: str, scores: Mapping[str, float] | None = None, **settings: int | str
) -> RunRecord:
    own = {f"{method}.{name.replace('_', '-')}": value for name, value in settings.items()}
    line = round_of(1, (0.5, 0.75), scores=dict(scores or {}))
    return read_run_record(write_run(folder, [line], method=method, settings=own))


@pytest.mark.parametrize(
    ("method", "settings", "scores", "told"),
    [
        (
            "feddat",
            {"inference": "teacher"},
            {"teacher": 0.6, "shared": 0.5, "local": 0.4},
            "Some answer with several models: shared, the federation's adapter as aggregation left "
            "it; teacher, the mean of the client's own adapter and the shared one it learnt from; "
            "local, the client's own adapter alone. The headline is teacher. Bytes are",
        ),
        ("feddat", {"inference": "shared"}, {"shared": 0.5}, "The headline is shared."),
        # A table that lacks the key, as of an older run.
        ("feddat", {}, {"shared": 0.5, "local": 0.4}, "The headline is shared."),
        ("fedadapter", {"shared_rounds": -1}, {"shared": 0.5, "own": 0.4}, "headline is shared."),
        ("fedadapter", {"shared_rounds": 0}, {"own": 0.4}, "headline is own."),
        ("fedlora", {}, {"shared": 0.5}, "headline is shared."),
    ],
)
def test_models_and_the_headline_are_those_that_the_method_states(
    tmp_path: Path,
    method: str,
    settings: dict[str, int | str],
    scores: dict[str, float],
    told: str,
) -> None:
    page = str(method_of_measurement(run(tmp_path / "run", method, scores, **settings)))
    assert told in page.replace("&#x27;", "'").replace("&#39;", "'")
    assert "private head" in page
    assert "measured after training in that round" not in page


def test_a_model_of_which_nothing_is_stated_goes_by_its_name(tmp_path: Path) -> None:
    record = run(tmp_path / "run", "of-another-version", {"student": 0.5, "mentor": 0.4})
    page = str(method_of_measurement(record))
    assert "Some answer with several models: mentor; student. Bytes are" in page
    assert "The headline is the last round" in page


def test_one_model_of_ones_own_needs_no_list(tmp_path: Path) -> None:
    page = str(method_of_measurement(run(tmp_path / "run", "fedktl")))
    assert "test split (25% of its samples), which it never trains on" in page
    assert "several models" not in page


@pytest.mark.parametrize(
    ("this", "other", "gains_nothing"),
    [
        (("fedlora", {}), ("local", {}), True),
        (("fedlora", {}), ("fedadapter", {"shared_rounds": 0}), True),
        (("fedlora", {}), ("fedadapter", {"shared_rounds": 1}), False),
        (("fedadapter", {"shared_rounds": 0}), ("local", {}), False),
    ],
)
def test_a_federation_is_held_against_clients_that_learn_alone(
    tmp_path: Path,
    this: tuple[str, dict[str, int]],
    other: tuple[str, dict[str, int]],
    gains_nothing: bool,
) -> None:
    mine = run(tmp_path / "mine", this[0], **this[1])
    theirs = run(tmp_path / "theirs", other[0], **other[1])
    comparison = compare(mine, theirs)
    assert comparison is not None
    told = str(verdict(comparison, mine, theirs))
    assert ("the federation gains nothing" in told) == gains_nothing
