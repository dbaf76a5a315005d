"""A client's windows are normalised by what it first learnt from, and stay so."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from client_app.devices.message_device import LocalDevice
from client_app.node import NodeConfig
from strategies.common.architecture import Architecture
from strategies.common.errors import DataError, StoreError
from strategies.common.settings import RunSettings

Build = Callable[..., RunSettings]
UNITS = np.array([1.0, 1000.0])[:, None, None]


def written(place: Path, train: int) -> str:
    """Write a client with two channels in unlike units, far from 0."""
    for part, count in (("train", train), ("test", 12)):
        (place / part).mkdir(parents=True, exist_ok=True)
        noise = np.random.default_rng(len(part)).normal(5.0, 2.0, (count, 2, 1, 32))
        data = np.empty((), dtype=object)
        data[()] = {"x": (noise * UNITS).astype(np.float32), "y": np.arange(count) % 2}
        np.savez(place / part / "0.npz", data=data)
    (place / "config.json").write_text(json.dumps({"num_classes": 2}))
    return f"pfllib:{place}"


@pytest.fixture
def device(run_settings: Build, tmp_path: Path) -> Callable[..., LocalDevice]:
    def build(train: int = 20, **changes: object) -> LocalDevice:
        chosen = {"models": "sensor_cnn1", "device": "cpu", "normalise": "channels", **changes}
        if "data" not in chosen:
            chosen["data"] = written(tmp_path / "har", train)
        settings = run_settings(method="local", state_dir=str(tmp_path / "state"), **chosen)
        node = NodeConfig(partition_id=0, num_partitions=1, state_dir=str(tmp_path / "state"))
        return LocalDevice(node, settings, 1)

    return build


def test_what_is_learnt_from_is_standard_and_tested_by_the_same_scale(
    device: Callable[..., LocalDevice],
) -> None:
    own = device()
    spread, mean = torch.std_mean(own.train.inputs, (0, 2), correction=0)
    assert mean.tolist() == pytest.approx([0.0, 0.0], abs=1e-5)
    assert spread.tolist() == pytest.approx([1.0, 1.0], abs=1e-5)
    learnt, tested = own.data.train.inputs, own.data.test.inputs
    deviation, mean = torch.std_mean(learnt, (0, 2), correction=0)
    expected = (tested - mean[:, None]) / deviation[:, None]
    torch.testing.assert_close(own.test.inputs, expected, atol=1e-4, rtol=1e-4)
    # What is prepared stays as it was read.
    assert float(own.data.train.inputs.max()) > 5000


def test_what_is_held_out_counts_for_no_scale_and_is_measured_by_it(
    device: Callable[..., LocalDevice],
) -> None:
    own = device(validation_share=0.25)
    assert (len(own.train), len(own.test)) == (15, 12)
    held_out = own.validating().test
    assert len(held_out) == 5
    assert own.train.inputs.mean((0, 2)).tolist() == pytest.approx([0.0, 0.0], abs=1e-5)
    assert held_out.inputs.mean((0, 2)).abs().max() > 1e-3
    assert held_out.inputs.abs().max() < 10
    # Asked for again, each is what it was.
    assert (len(own.test), len(own.validating().test)) == (12, 5)


def test_samples_that_come_later_do_not_change_what_is_read(
    device: Callable[..., LocalDevice],
) -> None:
    first = device(20)
    assert first.scale is not None
    later = device(40)
    later.begins, later.kept_scale = False, first.scale.state_dict()
    assert len(later.train) == 40
    assert torch.equal(later.test.inputs, first.test.inputs)
    fresh = device(40)
    assert not torch.equal(fresh.test.inputs, first.test.inputs)


def test_a_state_without_its_scale_is_refused(device: Callable[..., LocalDevice]) -> None:
    own = device()
    own.begins = False
    with pytest.raises(StoreError, match="expected mean and deviation of the 2 channels"):
        _ = own.train


def test_the_model_is_the_same_as_without(device: Callable[..., LocalDevice]) -> None:
    # What whoever averages models knows of them, and their lengths, stay.
    models = [device(normalise=one).build_model() for one in ("channels", "none")]
    held = [Architecture.of(model) for model in models]
    assert held[0] == held[1]
    assert all(map(torch.equal, models[0].parameters(), models[1].parameters()))


def test_without_it_readings_stay_as_they_are(device: Callable[..., LocalDevice]) -> None:
    own = device(normalise="none")
    assert own.scale is None
    assert own.train is own.data.train
    assert own.test is own.data.test


def test_open_windows_are_read_by_the_same_scale_and_told_as_they_are(
    device: Callable[..., LocalDevice], tmp_path: Path
) -> None:
    opened = written(tmp_path / "open", 8)
    own, plain = (device(open_data=opened, normalise=one) for one in ("channels", "none"))
    assert own.scale is not None
    assert own.open_data.inputs.shape == (20, 2, 32)
    torch.testing.assert_close(own.open_data.inputs, own.scale(plain.open_data.inputs))
    assert float(plain.open_data.inputs.max()) > 5000
    # All devices are to hold the same, whatever each normalises by.
    own.asks_about_open_data = plain.asks_about_open_data = True
    assert own.task.open_set == plain.task.open_set
    assert own.task.open_set is not None


def test_a_device_that_tells_its_task_first_goes_on_by_its_kept_scale(
    device: Callable[..., LocalDevice], tmp_path: Path
) -> None:
    opened = written(tmp_path / "open", 8)
    first = device(20, open_data=opened)
    assert first.scale is not None
    later = device(40, open_data=opened)
    later.asks_about_open_data = True
    assert later.task.open_set is not None
    later.begins, later.kept_scale = False, first.scale.state_dict()
    assert torch.equal(later.open_data.inputs, first.open_data.inputs)


def test_images_are_refused(device: Callable[..., LocalDevice]) -> None:
    with pytest.raises(
        DataError, match=r'normalise: expected "none" .*got \'channels\' for images'
    ):
        _ = device(data="digits", models="cnn").task
