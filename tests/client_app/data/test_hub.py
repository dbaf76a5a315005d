from collections.abc import Callable
from pathlib import Path

import datasets
import numpy as np
import pytest
import torch
from datasets import ClassLabel, Dataset, DatasetDict, Features, Value
from PIL import Image

from client_app.data import hub
from client_app.data.image_cells import NO_IMAGE
from strategies.common.errors import DataError
from strategies.common.settings import RunSettings


def _split(values: list[int], labels: list[int]) -> Dataset:
    features = Features({"image": datasets.Image(), "label": ClassLabel(names=["even", "odd"])})
    pictures = [Image.fromarray(np.full((4, 4, 3), v, dtype=np.uint8)) for v in values]
    return Dataset.from_dict({"image": pictures, "label": labels}, features=features)


def _serve(monkeypatch: pytest.MonkeyPatch, splits: dict[str, Dataset]) -> list[str]:
    asked: list[str] = []

    def load_dataset(name: str) -> DatasetDict:
        asked.append(name)
        assert datasets.are_progress_bars_disabled()
        return DatasetDict(splits)

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    return asked


def test_train_and_test_are_merged_and_rows_read(monkeypatch: pytest.MonkeyPatch) -> None:
    test, train = _split([10, 11], [0, 1]), _split([20, 21, 22], [0, 1, 0])
    asked = _serve(
        monkeypatch, {"test": test, "train": train, "unsupervised": _split([1] * 9, [0] * 9)}
    )
    collection = hub.read("someone/numbers")
    assert asked == ["someone/numbers"]
    assert collection.labels.tolist() == [0, 1, 0, 0, 1]
    assert collection.class_names == ("even", "odd")
    reading = collection.read(torch.tensor([1, 4]), 0)
    assert reading.inputs.dtype == torch.uint8
    assert reading.inputs.shape == (2, 3, 4, 4)
    assert reading.inputs[:, 0, 0, 0].tolist() == [21, 11]
    assert collection.read(torch.tensor([0]), 2).inputs.shape == (1, 3, 2, 2)
    grey = hub.read("someone/numbers", 1).read(torch.tensor([1, 4]), 0).inputs
    assert grey[:, :, 0, 0].tolist() == [[21], [11]]
    assert not datasets.are_progress_bars_disabled()


def test_other_splits_serve_where_there_is_no_train_or_test(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _serve(monkeypatch, {"b": _split([3], [1]), "a": _split([2], [0])})
    assert hub.read("x").labels.tolist() == [0, 1]


def test_images_kept_as_files_are_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    Image.fromarray(np.full((4, 4), 9, dtype=np.uint8)).save(tmp_path / "a.png")
    features = Features({"image": datasets.Image(), "label": Value("int64")})
    table = Dataset.from_dict({"image": [str(tmp_path / "a.png")], "label": [3]}, features=features)
    _serve(monkeypatch, {"train": table})
    collection = hub.read("x")
    assert collection.class_names == ("0", "1", "2", "3")
    assert collection.read(torch.tensor([0]), 0).inputs.flatten().unique().tolist() == [9]


def test_a_failure_gives_the_reason_and_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def load_dataset(name: str) -> DatasetDict:
        raise ConnectionError("no route to the hub")

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    with pytest.raises(DataError) as caught:
        hub.read("a/b")
    for part in ("hub a/b", "ConnectionError: no route to the hub", "parquet:<dir>", "offline"):
        assert part in str(caught.value)
    assert not datasets.are_progress_bars_disabled()


def test_a_data_set_without_images(monkeypatch: pytest.MonkeyPatch) -> None:
    _serve(monkeypatch, {"train": Dataset.from_dict({"text": ["a"], "label": [0]})})
    with pytest.raises(DataError, match="hub words: expected an image column"):
        hub.read("words")


def test_what_cannot_be_used_of_texts_is_left_out(
    monkeypatch: pytest.MonkeyPatch, run_settings: Callable[..., RunSettings]
) -> None:
    texts = [f"text {row}" for row in range(6)]
    mood = ["good", "bad", "good", "bad", "good", "bad"]
    rows = {"text": [*texts[:5], ""], "label": [0, 1, 0, None, 0, 1], "mood": mood}
    _serve(monkeypatch, {"train": Dataset.from_dict(rows)})
    collection = hub.read("x", 0, run_settings())
    assert collection.labels.tolist() == [0, 1, 0, 0, 1]
    assert collection.notes == ("hub x: texts are read of text, and not of mood (says the label)",)
    reading = collection.read(torch.tensor([1, 3, 4]), 0)
    assert reading.kept.tolist() == [0, 1]
    assert reading.left_out == {"without a word": ["row 5"]}
    assert collection.left_out == {"without a label": ["row 3"]}
    assert (collection.total, collection.counted) == (6, "rows")
    rows = {"text": texts, "label": [0, 1, 0, 1, 0, 1]}
    _serve(monkeypatch, {"train": Dataset.from_dict(rows)})
    every = hub.read("x", 0, run_settings())
    assert torch.equal(every.read(torch.tensor([4]), 0).inputs, reading.inputs[1:])


def test_an_image_that_is_gone_from_the_cache_is_left_out(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    paths = [tmp_path / f"{row}.png" for row in range(3)]
    for path in paths:
        Image.fromarray(np.full((4, 4), 9, dtype=np.uint8)).save(path)
    features = Features({"image": datasets.Image(), "label": Value("int64")})
    rows = {"image": [str(path) for path in paths], "label": [0, 1, 0]}
    _serve(monkeypatch, {"train": Dataset.from_dict(rows, features=features)})
    paths[0].unlink()
    reading = hub.read("x").read(torch.tensor([0, 2]), 0)
    assert reading.kept.tolist() == [1]
    assert reading.left_out == {NO_IMAGE: ["row 0"]}
