"""Open samples out of files that PFLlib or HtFLlib made: images, windows and tokens."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from client_app.data import looked_at_once, open_set
from strategies.common.errors import DataError
from strategies.common.settings import RunSettings

Build = Callable[..., RunSettings]


def written(place: Path, files: dict[str, np.ndarray], **config: object) -> str:
    for name, x in files.items():
        path = place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(path, data=np.array({"x": x, "y": np.arange(len(x)) % 2}))
    (place / "config.json").write_text(json.dumps({"num_classes": 2, **config}))
    return f"pfllib:{place}"


def windows(samples: int, start: int, steps: int = 8) -> np.ndarray:
    return start + np.arange(samples * 3 * steps, dtype=np.float32).reshape(samples, 3, 1, steps)


def test_every_file_is_read_those_to_learn_from_first(run_settings: Build, tmp_path: Path) -> None:
    files = {"train/0.npz": windows(4, 0), "train/1.npz": windows(2, 500)}
    files |= {"test/0.npz": windows(1, 7000), "test/1.npz": windows(3, 9000)}
    spec = written(tmp_path / "har", files)
    opened = open_set.load(run_settings(open_data=spec), spec, tmp_path / "prepared")
    assert opened.inputs.shape == (10, 3, 8)
    assert opened.inputs[:, 0, 0].tolist()[3:8] == [72.0, 500.0, 524.0, 7000.0, 9000.0]
    labels = open_set.labels(run_settings(open_data=spec), spec, tmp_path / "prepared")
    assert labels.labels.tolist() == [0, 1, 0, 1, 0, 1, 0, 0, 1, 0]


def test_any_changed_file_is_read_again(run_settings: Build, tmp_path: Path) -> None:
    files = {f"{part}/{n}.npz": windows(2, n) for part in ("train", "test") for n in range(2)}
    spec = written(tmp_path / "har", files)
    run = run_settings(open_data=spec)
    before = open_set.load(run, spec, tmp_path / "prepared")
    written(tmp_path / "har", {"test/1.npz": windows(5, 1)})
    looked_at_once.forget_files()
    assert open_set.load(run, spec, tmp_path / "prepared").told.samples == 11
    assert before.told.samples == 8


def test_windows_have_the_length_and_pictures_the_size_that_settings_ask_for(
    run_settings: Build, tmp_path: Path
) -> None:
    unlike = {"train/0.npz": windows(4, 0), "test/0.npz": windows(2, 0, steps=12)}
    spec = written(tmp_path / "har", unlike)
    with pytest.raises(DataError, match=r"float32 \(3, 8\) in train/0.npz .*\(3, 12\).*window-len"):
        open_set.load(run_settings(open_data=spec), spec, tmp_path / "prepared")
    run = run_settings(open_data=spec, window_length=6)
    assert open_set.load(run, spec, tmp_path / "prepared").inputs.shape == (6, 3, 6)
    grey = np.full((3, 1, 8, 8), 200, np.uint8)
    spec = written(tmp_path / "grey", {"train/0.npz": grey, "test/0.npz": grey})
    run = run_settings(open_data=spec, image_size=4, channels=3)
    assert open_set.load(run, spec, tmp_path / "prepared").inputs.shape == (6, 3, 4, 4)
    spec = written(tmp_path / "grey", {"test/0.npz": grey.astype(np.float32)})
    with pytest.raises(DataError, match=r"uint8 \(1, 8, 8\) in train/0.npz and torch.float32"):
        open_set.load(run_settings(open_data=spec), spec, tmp_path / "prepared")


def test_tokens_tell_their_vocabulary(run_settings: Build, tmp_path: Path) -> None:
    tokens = np.arange(20).reshape(4, 5)
    files = {"train/0.npz": tokens, "test/0.npz": tokens}
    spec = written(tmp_path / "news", files, vocabulary=30)
    opened = open_set.load(run_settings(open_data=spec), spec, tmp_path / "prepared")
    assert (opened.vocabulary, opened.inputs.dtype) == (30, torch.int64)


def test_labels_beyond_the_classes_are_refused(run_settings: Build, tmp_path: Path) -> None:
    files = {"train/0.npz": windows(4, 0), "test/0.npz": windows(2, 0)}
    spec = written(tmp_path / "har", files, num_classes=1)
    with pytest.raises(DataError, match="below the 1 classes"):
        open_set.load(run_settings(open_data=spec), spec, tmp_path / "prepared")
