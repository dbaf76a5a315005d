import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from client_app.data import prepared
from client_app.data.client_data import ClientData
from strategies.common.errors import DataError
from strategies.common.settings import RunSettings


@pytest.fixture
def load(tmp_path: Path, run_settings: Callable[..., RunSettings]) -> Callable[..., ClientData]:
    def load(spec: str, clients: int = 1) -> ClientData:
        settings = run_settings(partition="iid", min_train_samples=2, min_test_samples=1)
        return prepared.load(settings, spec, 0, clients, tmp_path / "state" / "prepared")

    return load


def _pictures(place: Path, *classes: str) -> Path:
    for name in classes:
        (place / name).mkdir(parents=True)
        for value in range(6):
            Image.new("L", (4, 4), value).save(place / name / f"{value}.png")
    return place


def _published(place: Path, *, declared: int | None) -> Path:
    for part in ("train", "test"):
        (place / part).mkdir(parents=True)
        values = np.random.default_rng(len(part)).normal(size=(4, 3, 8)).astype("float32")
        data = {"x": values, "y": np.zeros(4, dtype=np.int64)}
        np.savez(place / part / "0.npz", data=np.array(data))
    config = {} if declared is None else {"num_classes": declared}
    (place / "config.json").write_text(json.dumps(config))
    return place


def test_a_task_of_one_class_is_refused(tmp_path: Path, load: Callable[..., ClientData]) -> None:
    one = _pictures(tmp_path / "one", "cats")
    table = pa.table({"text": [f"text {row}" for row in range(8)], "label": [3] * 8})
    (tmp_path / "table").mkdir()
    pq.write_table(table, tmp_path / "table" / "train.parquet")
    for spec, remedy in {
        f"folder:{one}": "add an empty folder for each class",
        f"images:{one}": "add samples of other classes$",
        f"pfllib:{_published(tmp_path / 'declared', declared=1)}": "as num_classes$",
        f"pfllib:{_published(tmp_path / 'counted', declared=None)}": "as num_classes$",
        f"parquet:{tmp_path / 'table'}": "or set label-column to another column",
    }.items():
        with pytest.raises(DataError, match=f"task of at least 2 classes, found 1, .*; .*{remedy}"):
            load(spec)


def test_a_client_may_hold_one_class_of_many(
    tmp_path: Path, load: Callable[..., ClientData]
) -> None:
    place = _pictures(tmp_path / "own", "cats")
    (place / "dogs").mkdir()
    own = load(f"folder:{place}")
    assert (own.num_classes, own.train.labels.unique().tolist()) == (2, [0])
    published = load(f"pfllib:{_published(tmp_path / 'published', declared=2)}")
    assert (published.num_classes, published.train.labels.unique().tolist()) == (2, [0])
