"""The settings that a run was begun with, and those with which it may be gone on with."""

from pathlib import Path

import pytest

from server_app.run_folder import RunFolder
from strategies.common.errors import RunFolderError
from strategies.common.run_config import default_config
from tests.server_app.run_folders import CONFIG

Value = bool | int | float | str


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolder(tmp_path / "runs", "run-1")


def test_a_run_is_resumed_with_the_settings_it_began_with(folder: RunFolder) -> None:
    folder.begin(CONFIG)
    folder.check_resumable(CONFIG)
    free: dict[str, Value] = {
        "rounds": 50,
        "resume": True,
        "resume-from": 3,
        "min-nodes": 7,
        "compare-with": "run-0",
        "round-deadline-s": 1.0,
    }
    folder.check_resumable({**CONFIG, **free})


def test_settings_that_differ_are_all_named(folder: RunFolder) -> None:
    folder.begin(CONFIG)
    other = {**CONFIG, "seed": 1, "toy.step": 0.25, "colour": "red", "rounds": 9}
    del other["learning-rate"]
    with pytest.raises(RunFolderError) as caught:
        folder.check_resumable(other)
    told = str(caught.value).split("cannot resume with other settings: ")[1]
    assert told.split("; ") == [
        "colour was None and is 'red'",
        "learning-rate was 0.01 and is None",
        "seed was 0 and is 1",
        "toy.step was 0.5 and is 0.25",
    ]


def test_a_run_that_began_before_there_was_a_setting_had_its_default(folder: RunFolder) -> None:
    folder.begin(CONFIG)
    folder.check_resumable({**CONFIG, "channels": 0, "simulated.dropout": 0.0})
    with pytest.raises(RunFolderError, match="channels was 0 and is 3"):
        folder.check_resumable({**CONFIG, "channels": 3})


@pytest.mark.parametrize("inference", ["prototype", "head"])
def test_one_curve_is_not_drawn_by_two_tests(folder: RunFolder, inference: str) -> None:
    config = {**default_config(), **CONFIG, "method": "fedproto", "fedproto.inference": inference}
    # A run of before there was the setting was tested by another rule, unless by its models' heads.
    folder.begin({key: value for key, value in config.items() if key != "fedproto.test-classes"})
    if inference == "head":
        folder.check_resumable(config)
        return
    told = "classified by the nearest prototype of the round before, in round 1 .* would be by the"
    with pytest.raises(RunFolderError, match=f"cannot resume: test samples were {told}"):
        folder.check_resumable(config)
    # It is no matter to a run of any other method.
    folder.begin({**CONFIG, "run-name": "other"})
    folder.check_resumable({**CONFIG, "fedproto.test-classes": "own"})


PACED: dict[str, dict[str, Value]] = {
    "local": {"schedule": "cosine"},
    "fd": {"fd.loss-form": "convex", "fd.distillation-weight": 0.5},
    "fedkd": {},
    "mocosfl": {},
    "feddat": {"adapters.warmup": 0.0},
    "fedlora": {"adapters.schedule": "constant"},
}
FREE_OF_ROUNDS: dict[str, dict[str, Value]] = {
    "fd": {},
    "fedkd": {"fedkd.energy-end": 0.95},
    "splitfed": {},
    "fedadapter": {"adapters.schedule": "constant", "adapters.warmup": 0.0},
}


@pytest.mark.parametrize("method", PACED)
def test_a_run_whose_rounds_do_what_follows_from_their_number_keeps_it(
    folder: RunFolder, method: str
) -> None:
    falling = {**CONFIG, "method": method, **PACED[method]}
    folder.begin(falling)
    folder.check_resumable(falling)
    with pytest.raises(RunFolderError, match="rounds was 5 and is 6"):
        folder.check_resumable({**falling, "rounds": 6})


@pytest.mark.parametrize("method", FREE_OF_ROUNDS)
def test_any_other_run_may_have_more(folder: RunFolder, method: str) -> None:
    config = {**CONFIG, "method": method, **FREE_OF_ROUNDS[method]}
    folder.begin(config)
    folder.check_resumable({**config, "rounds": 6})
