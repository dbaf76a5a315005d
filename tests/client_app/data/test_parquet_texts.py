"""Parquet files of texts, and tables some of whose rows cannot be used."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from client_app.data import parquet, prepared
from client_app.data.client_data import ClientData
from client_app.data.looked_at_once import forget_files
from strategies.common.errors import DataError
from strategies.common.settings import RunSettings

Build = Callable[..., RunSettings]
LABELS = [0, 1] * 20
TEXTS = [f"text number {row}" for row in range(40)]


def _write(path: Path, names: list[str] | None = None, **columns: Any) -> None:
    table = pa.table(columns)
    if names:
        described = {"info": {"features": {"label": {"names": names}}}}
        table = table.replace_schema_metadata({"huggingface": json.dumps(described)})
    path.parent.mkdir(exist_ok=True)
    pq.write_table(table, path, row_group_size=7)


@pytest.fixture
def load(tmp_path: Path, run_settings: Build) -> Callable[..., ClientData]:
    def load(**changes: Any) -> ClientData:
        forget_files()
        settings = run_settings(partition="iid", **changes)
        return prepared.load(settings, f"parquet:{tmp_path / 'data'}", 0, 1, tmp_path / "cache")

    return load


@pytest.fixture
def train(tmp_path: Path) -> Path:
    return tmp_path / "data" / "train.parquet"


def test_what_says_the_label_is_not_read(train: Path, load: Callable[..., ClientData]) -> None:
    said = ["ham" if label else "spam" for label in LABELS]
    _write(train, text=TEXTS, label=LABELS, mood=said, label_text=said)
    data = load()
    assert data.notes == (
        "parquet: texts are read of text, and not of label_text (called as labels are), mood "
        "(says the label)",
    )
    _write(train, text=TEXTS, label=LABELS)
    alone = load()
    assert alone.notes == ()
    assert torch.equal(alone.train.inputs, data.train.inputs)
    assert torch.equal(alone.test.inputs, data.test.inputs)


def test_texts_of_a_list_are_read(
    train: Path, load: Callable[..., ClientData], run_settings: Build
) -> None:
    _write(train, text=TEXTS, label=LABELS)
    written_out = load()
    _write(train, text=pa.array(TEXTS).dictionary_encode(), label=LABELS)
    assert pa.types.is_dictionary(pq.read_schema(train).field("text").type)
    assert torch.equal(load().train.inputs, written_out.train.inputs)


def test_rows_that_cannot_be_used_are_counted_as_rows_and_files_as_files(
    train: Path, load: Callable[..., ClientData]
) -> None:
    _write(train, text=[None, *TEXTS[1:]], label=[0, None, *LABELS[2:]])
    _write(train.with_name("test.parquet"), text=["one", "two", " "], label=[None, 1, 0])
    train.with_name("README.md").write_text("x")
    data = load()
    assert data.notes == (
        "parquet: 1 of 3 files left out: 1 that are no parquet files (README.md)",
        "parquet: 4 of 43 rows left out: 2 without a label (train.parquet row 1, test.parquet row "
        "0), 2 without a word (train.parquet row 0, test.parquet row 2)",
    )
    assert len(data.train) + len(data.test) == 39
    labels = torch.cat([data.train.labels, data.test.labels])
    assert labels.bincount().tolist() == [19, 20]


def test_rows_keep_their_own_texts_where_others_have_no_label(
    train: Path, run_settings: Build
) -> None:
    labels = [None if row % 3 == 0 else row % 2 for row in range(40)]
    _write(train, text=TEXTS, label=labels)
    settings = run_settings()
    some = parquet.read(train.parent, 0, settings)
    _write(train, text=TEXTS, label=LABELS)
    every = parquet.read(train.parent, 0, settings)
    used = torch.tensor([row for row in range(40) if row % 3])
    assert torch.equal(some.labels, every.labels[used])
    places = torch.arange(len(used))
    assert torch.equal(some.read(places, 0).inputs, every.read(used, 0).inputs)


def test_too_few_that_are_left_are_explained(train: Path, load: Callable[..., ClientData]) -> None:
    _write(train, text=TEXTS[:3], label=[0, None, 1])
    with pytest.raises(DataError, match=r"got 2; .*1 of 3 rows left out: 1 without a label \(row"):
        load(min_train_samples=5)
    _write(train, text=TEXTS[:3], label=pa.array([None] * 3, pa.int64()))
    with pytest.raises(DataError, match="expected rows with a label, found none: 3 without a lab"):
        load()


def test_files_that_do_not_go_together_are_refused(
    train: Path, load: Callable[..., ClientData]
) -> None:
    other = train.with_name("test.parquet")
    _write(train, ["cat", "dog"], text=TEXTS, label=LABELS)
    _write(other, ["dog", "cat"], text=TEXTS, label=LABELS)
    with pytest.raises(DataError, match=r"same names of classes.*train\.parquet.*test\.parquet"):
        load()
    _write(other, sentence=TEXTS, label=LABELS)
    with pytest.raises(DataError, match=r"label, sentence of test\.parquet, whose columns are sen"):
        load()
    _write(other, text=TEXTS, label=LABELS)
    assert load().class_names == ("cat", "dog")
