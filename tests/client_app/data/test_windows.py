"""Windows of any length become windows of one."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from client_app.data import prepared, windows
from strategies.common.errors import DataError
from strategies.common.inputs import Windows
from strategies.common.settings import RunSettings

Build = Callable[..., RunSettings]


def along(*values: float) -> torch.Tensor:
    return torch.tensor(values)[None, None]


@pytest.mark.parametrize(
    ("values", "length", "expected"),
    [
        # New middles lie at 0.5 and 2.5 of the old ones.
        ((0.0, 1.0, 2.0, 3.0), 2, [0.5, 2.5]),
        # At -0.25, 0.25, 0.75 and 1.25; beyond the outermost there is nothing to read.
        ((0.0, 2.0), 4, [0.0, 0.5, 1.5, 2.0]),
        ((1.0, 5.0, 3.0), 3, [1.0, 5.0, 3.0]),
        ((1.0, 5.0, 3.0), 0, [1.0, 5.0, 3.0]),
    ],
)
def test_readings_are_interpolated_along_time(
    values: tuple[float, ...], length: int, expected: list[float]
) -> None:
    found = windows.resample(along(*values), length)
    assert found.flatten().tolist() == pytest.approx(expected)


def test_channels_and_samples_stay_apart() -> None:
    ramps = torch.arange(12.0).reshape(2, 3, 2)
    # Between both readings of each channel.
    assert windows.resample(ramps, 1).flatten().tolist() == [0.5, 2.5, 4.5, 6.5, 8.5, 10.5]


def written(place: Path, train: int, test: int, height: int = 1) -> str:
    """Write a client whose windows to learn from and to test on have some lengths."""
    for part, steps in (("train", train), ("test", test)):
        (place / part).mkdir(parents=True)
        data = np.empty((), dtype=object)
        x = np.random.default_rng(0).normal(size=(12, 2, height, steps)).astype(np.float32)
        data[()] = {"x": x, "y": np.arange(12) % 2}
        np.savez(place / part / "0.npz", data=data)
    return f"pfllib:{place}"


def test_a_clients_own_windows_become_as_long_as_the_setting_says(
    run_settings: Build, tmp_path: Path
) -> None:
    source = written(tmp_path / "har", 50, 50)
    plain = prepared.load(run_settings(), source, 0, 1, tmp_path / "cache")
    resampled = prepared.load(run_settings(window_length=25), source, 0, 1, tmp_path / "cache")
    assert (plain.inputs, resampled.inputs) == (Windows(2, 50), Windows(2, 25))
    # Half as many: each is the mean of two neighbours.
    expected = plain.train.inputs.reshape(12, 2, 25, 2).mean(3)
    torch.testing.assert_close(resampled.train.inputs, expected)
    assert torch.equal(resampled.train.labels, plain.train.labels)
    assert resampled.split == plain.split


def test_unlike_lengths_of_one_client_are_refused_or_resampled(
    run_settings: Build, tmp_path: Path
) -> None:
    source = written(tmp_path / "har", 50, 40)
    with pytest.raises(DataError, match=r"\(2, 50\) and \(2, 40\); .*or set window-length"):
        prepared.load(run_settings(), source, 0, 1, tmp_path / "cache")
    data = prepared.load(run_settings(window_length=30), source, 0, 1, tmp_path / "cache")
    assert data.test.inputs.shape == data.train.inputs.shape == (12, 2, 30)
