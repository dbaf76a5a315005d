from typing import Any

import pytest

from server_app.agreement import Agreement
from strategies.common.inputs import Images, Windows
from strategies.common.open_data import OpenSet
from strategies.common.task import Foundation, Place, Task
from strategies.common.transport.control import Description

ONE, OTHER = "1" * 64, "2" * 64


def description(**changes: Any) -> Description:
    values: dict[str, Any] = {
        "partition": 0, "num_partitions": 3, "model": "m", "num_classes": 10, "inputs": "images",
        "sizes": [3, 32, 32], "feature_dim": 64, "foundation": "", "rank": 0, "places": [],
        "class_names": [], "train_samples": 5, "test_samples": 5, "train_counts": [],
        "test_counts": [], "clients": 1, "notes": [], "figures": {},
    }  # fmt: skip
    return Description(**{**values, **changes})


def adapted(**changes: Any) -> Description:
    return description(**{"foundation": ONE, "rank": 4, "places": ["64:64:layer.0"], **changes})


def test_most_clients_decide_and_another_shape_is_told() -> None:
    agreement = Agreement(private_classes=False)
    task = agreement.reach([description(num_classes=2), description(), description()])
    assert task == Task(10, Images(3, 32, 32), 64)
    said = agreement.objection(task, description(num_classes=2))
    assert said is not None
    assert f"expected 10 classes of {Images(3, 32, 32)}, got 2 classes of images" in said
    assert agreement.objection(task, description()) is None


@pytest.mark.parametrize("parameters", [0, 1, 649])
def test_a_model_smaller_than_its_own_last_layer_is_none(parameters: int) -> None:
    """Ten classes of 64 features take 650 numbers; heads of unlike models are cut by that."""
    agreement = Agreement(private_classes=False)
    task = agreement.reach([description(), description()])
    holds = {"architecture": "0" * 64, "statistics": 0}
    told = agreement.objection(task, description(**holds, parameters=parameters))
    assert told is not None
    assert "parameters: expected at least the 650 of a last layer from 64 features" in told
    assert told.endswith(f"got {parameters}")
    assert agreement.objection(task, description(**holds, parameters=650)) is None
    assert agreement.objection(task, description()) is None


def test_features_of_several_widths_leave_the_width_open() -> None:
    agreement = Agreement(private_classes=False)
    task = agreement.reach([description(), description(feature_dim=32)])
    assert task.feature_dim == 0
    assert agreement.objection(task, description(feature_dim=7)) is None


def test_private_answers_may_be_of_any_number() -> None:
    agreement = Agreement(private_classes=True)
    task = agreement.reach([adapted(num_classes=2), adapted(num_classes=17)])
    assert task == Task(0, Images(3, 32, 32), 64, Foundation(ONE, 4, (Place("layer.0", 64, 64),)))
    assert agreement.objection(task, adapted(num_classes=100)) is None


def test_another_foundation_model_is_told_by_its_digest() -> None:
    agreement = Agreement(private_classes=True)
    task = agreement.reach([adapted(), adapted(), adapted(foundation=OTHER)])
    said = agreement.objection(task, adapted(foundation=OTHER))
    assert said is not None
    assert "expected the foundation model sha256 111111111111 that most clients hold" in said
    assert "got sha256 222222222222; copy the same folder" in said
    said = agreement.objection(task, adapted(foundation=OTHER), begun=True)
    assert said is not None
    assert "111111111111 with which this run began, got sha256 222222222222; name that" in said


def test_other_open_data_are_told_by_their_digest() -> None:
    """Check 23: a device with another file is refused by name."""
    agreement = Agreement(private_classes=False)
    same = {"open_set": ONE, "open_samples": 500}
    task = agreement.reach([description(**same), description(**same), description()])
    assert task.open_set == OpenSet(ONE, 500)
    assert agreement.objection(task, description(**same)) is None
    for other, got in (
        ({"open_set": OTHER, "open_samples": 500}, "got 500 samples of sha256 222222222222"),
        ({"open_set": ONE, "open_samples": 499}, "got 499 samples of sha256 111111111111"),
        ({}, "got none"),
    ):
        said = agreement.objection(task, description(**other))
        assert said is not None
        assert f"most clients hold, 500 samples of sha256 111111111111, {got}; copy the" in said
        said = agreement.objection(task, description(**other), begun=True)
        assert said is not None
        assert f"this run began, 500 samples of sha256 111111111111, {got}; put the files" in said


def test_another_rank_or_other_places_are_told() -> None:
    agreement = Agreement(private_classes=True)
    task = agreement.reach([adapted(), adapted()])
    for other in (adapted(rank=8), adapted(places=["64:64:layer.1"])):
        said = agreement.objection(task, other)
        assert said is not None
        assert "expected adapters of rank 4 at 1 places" in said


def test_readings_are_told_apart_from_pictures_and_cannot_be_resized() -> None:
    agreement = Agreement(private_classes=False)
    readings = description(inputs="windows", sizes=[9, 128])
    task = agreement.reach([readings, description(), readings])
    assert task == Task(10, Windows(9, 128), 64)
    said = agreement.objection(task, description())
    assert said == (
        f"expected 10 classes of {Windows(9, 128)}, got 10 classes of {Images(3, 32, 32)}; give it "
        f"the others' data"
    )


def test_windows_of_other_lengths_or_sensors_are_told_with_what_to_do() -> None:
    agreement = Agreement(private_classes=False)
    common = description(inputs="windows", sizes=[9, 128])
    task = agreement.reach([common, description(inputs="windows", sizes=[9, 64]), common])
    assert agreement.objection(task, description(inputs="windows", sizes=[9, 64])) == (
        f"expected 10 classes of {Windows(9, 128)}, got 10 classes of {Windows(9, 64)}; its "
        f"windows are 64 steps long, the others' 128: set window-length=128, with which every "
        f"device resamples its own to so many"
    )
    said = agreement.objection(task, description(inputs="windows", sizes=[6, 64]))
    assert said is not None
    assert said.endswith(
        "its windows are of 6 sensors, the others' of 9: give it windows of the same sensors in "
        "the same order"
    )


def test_the_runs_width_decides_where_it_sets_one() -> None:
    agreement = Agreement(private_classes=False, feature_dim=8)
    honest, other = description(feature_dim=8), description(feature_dim=9)
    task = agreement.reach([other, honest, other])
    assert task.feature_dim == 8
    assert agreement.objection(task, honest) is None
    assert agreement.objection(task, other) == (
        "expected features of width 8, got 9; set feature-dim"
    )
