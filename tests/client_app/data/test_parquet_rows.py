from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from client_app.data import parquet_rows
from strategies.common.errors import DataError


def test_texts_are_those_of_rows_of_all_files(tmp_path: Path) -> None:
    paths = [tmp_path / "a.parquet", tmp_path / "b.parquet"]
    for path, count in zip(paths, (5, 4), strict=True):
        rows = [f"{path.stem}{row}" for row in range(count)]
        pq.write_table(pa.table({"x": rows, "y": ["!", None] * 2 + rows[4:]}), path, 2)
    rows = torch.tensor([1, 4, 5, 8])
    assert parquet_rows.texts(paths, [5, 4], ["y", "x"], rows) == [" a1", "a4 a4", "! b0", " b3"]
    found = [batch.column("x").to_pylist() for batch in parquet_rows.batches(paths, ["x"])]
    assert [text for part in found for text in part] == [f"a{row}" for row in range(5)] + [
        f"b{row}" for row in range(4)
    ]


def test_a_column_that_a_file_lacks_is_named(tmp_path: Path) -> None:
    pq.write_table(pa.table({"img": [b"x"]}), tmp_path / "a.parquet")
    with pytest.raises(DataError, match=r"a\.parquet: expected column image .*, found img; rename"):
        parquet_rows.cells([tmp_path / "a.parquet"], [1], "image", torch.tensor([0]))
