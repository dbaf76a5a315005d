import io
import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from client_app.data import folder, image_cells, images, parquet, prepared
from client_app.data.client_data import ClientData
from client_app.data.looked_at_once import forget_files
from strategies.common.errors import DataError
from strategies.common.settings import RunSettings


def _png(value: int, mode: str = "RGB", side: int = 4) -> bytes:
    buffer = io.BytesIO()
    pixels = np.full((side, side) + ((3,) if mode == "RGB" else ()), value, dtype=np.uint8)
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def _write(
    path: Path,
    contents: list[bytes],
    labels: list[int],
    names: list[str] | None = None,
    group: int = 3,
    compression: str = "snappy",
) -> None:
    cells = [{"bytes": data, "path": None} for data in contents]
    image = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    table = pa.table({"img": pa.array(cells, image), "label": pa.array(labels, pa.int64())})
    if names:
        described = {"info": {"features": {"label": {"names": names, "_type": "ClassLabel"}}}}
        table = table.replace_schema_metadata({"huggingface": json.dumps(described)})
    pq.write_table(table, path, row_group_size=group, compression=compression)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Ten training and four test images whose value is their row in the whole."""
    _write(tmp_path / "train.parquet", [_png(v) for v in range(10)], [0, 1] * 5, ["cat", "dog"])
    _write(tmp_path / "test.parquet", [_png(v) for v in range(10, 14)], [1, 1, 0, 0])
    return tmp_path


def test_train_and_test_are_merged_in_this_order(place: Path) -> None:
    collection = parquet.read(place)
    assert collection.labels.tolist() == [0, 1] * 5 + [1, 1, 0, 0]
    assert collection.class_names == ("cat", "dog")
    # Rows from several row groups of both files, 3 rows to a group.
    reading = collection.read(torch.tensor([0, 2, 3, 9, 10, 13]), 0)
    assert reading.inputs.shape == (6, 3, 4, 4)
    assert reading.inputs[:, 0, 0, 0].tolist() == [0, 2, 3, 9, 10, 13]
    assert collection.read(torch.tensor([5]), 6).inputs.shape == (1, 3, 6, 6)


def test_another_column_that_might_be_the_labels_is_told_once(place: Path) -> None:
    assert parquet.read(place).notes == ()
    for path in place.iterdir():
        table = pq.read_table(path)
        pq.write_table(table.append_column("fine_label", table["label"]), path)
    assert parquet.read(place).notes == (
        "parquet: labels are column label; fine_label is there too, and not read",
    )


def test_only_the_own_rows_are_decoded(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_cells, "PROBED_ROWS", 1)
    real, calls = images.decode, []

    def counted(source: bytes | Path, channels: int | None = None) -> torch.Tensor:
        calls.append(source)
        return real(source, channels)

    monkeypatch.setattr(images, "decode", counted)
    collection = parquet.read(place)
    assert calls == []
    collection.read(torch.tensor([4, 12]), 0)
    assert calls == [_png(0), _png(4), _png(12)]


def test_other_files_do_not_mix_with_train_and_test(place: Path) -> None:
    _write(place / "extra.parquet", [_png(99)], [0])
    assert len(parquet.read(place).labels) == 14


def test_files_without_such_names_are_all_read(tmp_path: Path) -> None:
    _write(tmp_path / "b.parquet", [_png(1)], [0])
    _write(tmp_path / "a.parquet", [_png(2)], [4])
    collection = parquet.read(tmp_path)
    assert collection.labels.tolist() == [4, 0]
    assert collection.class_names == ("0", "1", "2", "3", "4")


def test_all_clients_agree_on_grey(tmp_path: Path) -> None:
    # The first rows decide: a client with colour images alone still has one channel.
    _write(tmp_path / "grey.parquet", [_png(v, "L") for v in range(20)] + [_png(50)], [0] * 21)
    collection = parquet.read(tmp_path)
    assert collection.read(torch.tensor([20]), 0).inputs.shape == (1, 1, 4, 4)
    assert collection.read(torch.tensor([3]), 0).inputs.shape == (1, 1, 4, 4)


def test_colours_that_the_first_rows_lack_are_kept_if_asked_for(tmp_path: Path) -> None:
    red = io.BytesIO()
    Image.new("RGB", (4, 4), (200, 0, 0)).save(red, "PNG")
    _write(tmp_path / "x.parquet", [_png(v, "L") for v in range(20)] + [red.getvalue()], [0] * 21)
    inputs = parquet.read(tmp_path, 3).read(torch.tensor([0, 20]), 0).inputs
    assert inputs[:, :, 0, 0].tolist() == [[0, 0, 0], [200, 0, 0]]
    assert parquet.read(tmp_path, 1).read(torch.tensor([20]), 0).inputs.shape == (1, 1, 4, 4)


def test_a_broken_image_is_left_out_with_its_row(tmp_path: Path) -> None:
    _write(tmp_path / "x.parquet", [_png(0)] * 30 + [b"broken"], [0] * 31)
    reading = parquet.read(tmp_path).read(torch.tensor([2, 30]), 0)
    assert reading.kept.tolist() == [0]
    assert reading.left_out == {images.DAMAGED: ["row 30"]}


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"expected a folder at .*nowhere"):
        parquet.read(tmp_path / "nowhere")
    with pytest.raises(DataError, match=r"expected \*.parquet files in .*, found none"):
        parquet.read(tmp_path)
    (tmp_path / "a.parquet").write_bytes(b"PAR1 but not really PAR1")
    with pytest.raises(DataError, match=r"a.parquet: cannot be read"):
        parquet.read(tmp_path)


def test_a_file_without_the_columns_is_named(tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": ["a"], "label": [0]}), tmp_path / "a.parquet")
    with pytest.raises(DataError, match=r"a.parquet: expected an image column.*text \(string\)"):
        parquet.read(tmp_path)


def test_a_missing_library_is_named(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(DataError, match="expected pyarrow to be installed"):
        parquet.read(place)


def test_rows_that_change_places_are_told_though_sizes_stay(
    tmp_path: Path, run_settings: Callable[..., RunSettings]
) -> None:
    settings = run_settings(partition="iid", min_train_samples=2, min_test_samples=1)

    def told(values: list[int]) -> tuple[int, str, str]:
        forget_files()
        place = tmp_path / "table"
        place.mkdir(exist_ok=True)
        pictures = [_png(value).ljust(120, b"\0") for value in values]
        _write(place / "train.parquet", pictures, [0, 1] * 10, compression="none")
        data = prepared.load(settings, f"parquet:{place}", 0, 2, tmp_path / "cache")
        return (place / "train.parquet").stat().st_size, data.split, data.dealt

    first = told(list(range(20)))
    second = told([18, 19, *range(2, 18), 0, 1])
    assert first[0] == second[0]
    assert first[1] != second[1]
    # Another device may have the same rows in other files.
    assert first[2] == second[2]


def test_what_is_not_merged_is_counted_with_its_reason(place: Path) -> None:
    for name in (".hidden.parquet", "README.md", "old.parquet", "deep/train.parquet"):
        (place / name).parent.mkdir(exist_ok=True)
        (place / name).write_bytes(b"x")
    (place / "link.txt").symlink_to(place / "nowhere")
    assert parquet.listed(place).left_out == {
        folder.HIDDEN: [".hidden.parquet"],
        "that are no parquet files": ["README.md"],
        "deeper than the folder": ["deep/train.parquet"],
        folder.NO_FILE: ["link.txt"],
        "named neither train nor test": ["old.parquet"],
    }


def test_images_that_cannot_be_used_are_counted_among_rows(
    tmp_path: Path, run_settings: Callable[..., RunSettings]
) -> None:
    place = tmp_path / "table"
    place.mkdir()
    pictures = [_png(value) for value in range(20)]
    pictures[3] = b"broken"
    _write(place / "train.parquet", pictures, [0, 1] * 10)

    def load(most: int) -> ClientData:
        settings = run_settings(partition="iid", min_train_samples=most, min_test_samples=1)
        return prepared.load(settings, f"parquet:{place}", 0, 1, tmp_path / "cache")

    told = "parquet: 1 of 20 rows left out: 1 that cannot be decoded (row 3)"
    data = load(10)
    assert data.notes == (told,)
    values = torch.cat([data.train.inputs, data.test.inputs])[:, 0, 0, 0].tolist()
    labels = torch.cat([data.train.labels, data.test.labels]).tolist()
    assert sorted(zip(values, labels, strict=True)) == [(v, v % 2) for v in range(20) if v != 3]
    with pytest.raises(DataError, match=r"got 14 and 5; .*1 of 20 rows left out: 1 that cannot"):
        load(15)
