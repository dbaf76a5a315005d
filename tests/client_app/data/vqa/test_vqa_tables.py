import io
from pathlib import Path

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from datasets import Dataset, DatasetDict
from PIL import Image

from client_app.data.vqa import tables
from client_app.data.vqa.entry import Fields
from strategies.common.errors import DataError

IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
TEXTS = pa.list_(pa.string())
STRUCTS = pa.list_(pa.struct([("answer_id", pa.int64()), ("answer", pa.string())]))


def _png(value: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.full((4, 5, 3), value, dtype=np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def _write(path: Path, values: list[int], answers: list[object], kind: pa.DataType) -> None:
    table = pa.table(
        {
            "id": pa.array(values, pa.int64()),
            "image": pa.array([{"bytes": _png(v), "path": None} for v in values], IMAGE),
            "question": pa.array([f"what is {v} ?" for v in values], pa.string()),
            "answers": pa.array(answers, kind),
        }
    )
    pq.write_table(table, path, row_group_size=2)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (
            [("picture", IMAGE), ("question", pa.string()), ("answers", TEXTS)],
            ("picture", "question", "answers"),
        ),
        (
            [("question", pa.large_string()), ("answer", pa.string()), ("image", IMAGE)],
            ("image", "question", "answer"),
        ),
        (
            [
                ("image", IMAGE), ("question", pa.string()), ("answer", pa.string()),
                ("answers", STRUCTS),
            ],
            ("image", "question", "answers"),
        ),
        # Answers that are no text give way to one that is.
        (
            [
                ("image", IMAGE), ("question", pa.string()), ("answers", pa.int64()),
                ("answer", pa.large_list(pa.large_string())),
            ],
            ("image", "question", "answer"),
        ),
    ],
)  # fmt: skip
def test_choosing_three_columns(
    fields: list[tuple[str, pa.DataType]], expected: tuple[str, str, str]
) -> None:
    assert tables.choose(pa.schema(fields), "here") == Fields(*expected)


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ([("question", pa.string()), ("answer", pa.string())], "expected an image column"),
        (
            [("image", pa.string()), ("question", pa.string()), ("answer", pa.string())],
            r"expected an image column.*found image \(string\).*vqa.convert --ques",
        ),
        ([("image", IMAGE), ("answer", pa.string())], "expected a column of questions as text"),
        (
            [("image", IMAGE), ("question", pa.int64()), ("answer", pa.string())],
            r"found image \(.*question \(int64\), answer \(string\)",
        ),
        (
            [("image", IMAGE), ("question", pa.string()), ("label", pa.int64())],
            r"label as a number names of categories; found .*label \(int64\); .*vqa.convert --ques",
        ),
        (
            [
                ("image", IMAGE), ("question", pa.string()),
                ("answers", pa.list_(pa.struct([("text", pa.string())]))),
            ],
            "structs with a field answer",
        ),
    ],
)  # fmt: skip
def test_missing_columns(fields: list[tuple[str, pa.DataType]], complaint: str) -> None:
    with pytest.raises(DataError, match=f"here: .*{complaint}"):
        tables.choose(pa.schema(fields), "here")


def test_parquet_files_are_merged_and_pictures_found_by_row(tmp_path: Path) -> None:
    _write(tmp_path / "test.parquet", [40, 50], [["E"], ["F"]], TEXTS)
    _write(
        tmp_path / "train.parquet",
        [0, 10, 20, 30],
        [
            [{"answer_id": 1, "answer": "A red"}, {"answer_id": 2, "answer": None}],
            [{"answer_id": 1, "answer": "B"}],
            [{"answer_id": 1, "answer": "the"}],
            None,
        ],
        STRUCTS,
    )
    asked = tables.from_parquet(tmp_path)
    # Two of six have no answer; train comes before test.
    assert asked.questions == (
        *("what is 0 ?", "what is 10 ?"),
        *("what is 40 ?", "what is 50 ?"),
    )
    assert asked.answers == (("red", ""), ("b",), ("e",), ("f",))
    assert asked.notes == (
        f"parquet {tmp_path}: 2 of 6 questions left out: 2 without an answer (row 2, row 3)",
    )
    reading = asked.read(torch.tensor([1, 3]), 2)
    assert reading.inputs[:, 0, 0, 0].tolist() == [10, 50]
    assert reading.inputs.shape == (2, 3, 2, 2)


def test_columns_that_might_have_been_meant_are_told(tmp_path: Path) -> None:
    pictures = pa.array([{"bytes": _png(0), "path": None}], IMAGE)
    words = pa.array(["is it ?"])
    table = {"photo": pictures, "drawing": pictures, "question": words, "query": words}
    for name in "ab":
        pq.write_table(pa.table({**table, "answer": ["no"]}), tmp_path / f"{name}.parquet")
    asked = tables.from_parquet(tmp_path)
    told = f"parquet {tmp_path}:"
    assert asked.notes == (
        f"{told} pictures are column photo; drawing is there too, and not read",
        f"{told} questions are column question; query is there too, and not read",
    )


NAMES = ["cat", "dog"]


@pytest.mark.parametrize(
    ("answers", "given", "kind", "expected"),
    [
        ("answer", [3, None], pa.int8(), ("3",)),
        ("answer", [2.5, None], pa.float64(), ("2.5",)),
        ("answer", [True, None], pa.bool_(), ("yes",)),
        ("answers", [[1, 2], []], pa.list_(pa.int64()), ("1", "2")),
        ("answers", [["a", "b"], None], pa.list_(pa.string(), 2), ("", "b")),
        ("label", ["Cat", None], pa.dictionary(pa.int8(), pa.string()), ("cat",)),
        ("direct_answers", ["['ramp', 'the ramp']", "[]"], pa.string(), ("ramp", "ramp")),
        (
            "multiple_choice_answer",
            ["net", ""],
            pa.string(),
            ("net",),
        ),
    ],
)
def test_tables_of_other_names_and_kinds(
    tmp_path: Path, answers: str, given: list[object], kind: pa.DataType, expected: tuple[str, ...]
) -> None:
    table = pa.table(
        {
            "Picture": pa.array([_png(7), _png(8)], pa.binary()),
            "query": ["what?", "how?"],
            answers: pa.array(given, kind),
        }
    )
    pq.write_table(table, tmp_path / "train.parquet")
    asked = tables.from_parquet(tmp_path)
    assert asked.questions == ("what?",)
    assert asked.answers == (expected,)
    assert asked.read(torch.tensor([0]), 2).inputs[0, 0, 0, 0] == 7


def test_categories_are_named_and_choices_chosen() -> None:
    features = datasets.Features(
        {
            "image": datasets.Image(),
            "question": datasets.Value("string"),
            "label": datasets.ClassLabel(names=NAMES),
        }
    )
    expected = Fields("image", "question", "label", "", ("cat", "dog"))
    assert tables.choose(features.arrow_schema, "here") == expected
    features["label"] = datasets.List(datasets.ClassLabel(names=NAMES))
    assert tables.choose(features.arrow_schema, "here") == expected
    a_okvqa = pa.schema(
        [
            ("image", IMAGE), ("question", pa.string()), ("choices", TEXTS),
            ("correct_choice_idx", pa.int8()), ("rationales", TEXTS),
        ]
    )  # fmt: skip
    found = tables.choose(a_okvqa, "here")
    assert found == Fields("image", "question", "correct_choice_idx", "choices")
    whole = a_okvqa.append(pa.field("direct_answers", pa.string()))
    assert tables.choose(whole, "here").answer == "direct_answers"


def test_a_damaged_picture_of_a_table_is_skipped(tmp_path: Path) -> None:
    cells = [
        {"bytes": b"broken", "path": None},
        {"bytes": _png(3), "path": None},
        # Never followed.
        {"bytes": None, "path": "/etc/hostname"},
        None,
    ]
    table = pa.table(
        {"image": pa.array(cells, IMAGE), "question": ["a", "b", "c", "d"], "answer": ["x"] * 4}
    )
    pq.write_table(table, tmp_path / "train.parquet")
    reading = tables.from_parquet(tmp_path).read(torch.arange(4), 4)
    assert reading.kept.tolist() == [1]
    assert (
        "3 of 4 images could not be read and were skipped: row 0, row 2, row 3"
        in (reading.notes[0])
    )


def test_bad_parquet(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="found none"):
        tables.from_parquet(tmp_path)
    (tmp_path / "train.parquet").write_bytes(b"broken")
    with pytest.raises(DataError, match=r"train.parquet: cannot be read"):
        tables.from_parquet(tmp_path)
    _write(tmp_path / "train.parquet", [], [], TEXTS)
    with pytest.raises(DataError, match="expected rows, found none"):
        tables.from_parquet(tmp_path)


def test_a_table_of_the_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    features = datasets.Features(
        {
            "image": datasets.Image(),
            "question": datasets.Value("string"),
            "answers": datasets.List(datasets.Value("string")),
        }
    )
    pictures = [Image.fromarray(np.full((4, 4, 3), v, dtype=np.uint8)) for v in (5, 6, 7)]
    rows = {
        "image": [*pictures[:2], None],
        "question": ["a", "b", "c"],
        "answers": [["X"], [], ["Z", "z"]],
    }
    whole = DatasetDict({"train": Dataset.from_dict(rows, features=features)})
    monkeypatch.setattr(datasets, "load_dataset", lambda name: whole)
    asked = tables.from_hub("someone/questions")
    assert asked.questions == ("a", "c")
    assert len(set(asked.shown(torch.arange(2)))) == 2
    assert asked.answers == (("x",), ("z", "z"))
    reading = asked.read(torch.arange(2), 2)
    assert reading.inputs[:, 0, 0, 0].tolist() == [5]
    assert reading.notes == (
        "hub someone/questions: 1 of 2 images could not be read and was skipped: row 2",
    )
