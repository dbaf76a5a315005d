from pathlib import Path

import datasets
import numpy as np
import pytest
import torch
from datasets import ClassLabel, Dataset, DatasetDict, Features, Value
from PIL import Image

from client_app.data import hub
from strategies.common.errors import DataError


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
