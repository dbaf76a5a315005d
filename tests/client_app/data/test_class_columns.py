import json

import pyarrow as pa
import pytest
import torch

from client_app.data import class_columns
from strategies.common.errors import DataError


def _schema(*names: str) -> pa.Schema:
    described = json.dumps({"info": {"features": {"label": {"names": names}}}})
    return pa.schema([("label", pa.int64())], metadata={"huggingface": described} if names else {})


@pytest.mark.parametrize(
    ("labels", "complaint"),
    [
        *(([], "found none"), ([None, -1], "labels from 0, got -1")),
        ([0, 10**15], "labels below 100000, got 1000000000000000"),
    ],
)
def test_bad_labels(labels: list[int | None], complaint: str) -> None:
    with pytest.raises(DataError, match=complaint):
        class_columns.checked_labels(pa.chunked_array([labels], pa.int64()), "here")


def test_labels_beyond_what_torch_holds_are_refused() -> None:
    with pytest.raises(DataError, match="labels below 100000, got 9223372036854775808"):
        class_columns.checked_labels(pa.chunked_array([[0, 2**63]], pa.uint64()), "here")


@pytest.mark.parametrize(
    "described", [b"{", b"[]", b'{"info": null}', b'{"info": {"features": {}}}']
)
def test_unreadable_metadata_leave_numbers(described: bytes) -> None:
    schema = pa.schema([("label", pa.int64())], metadata={b"huggingface": described})
    declared = class_columns.declared_names(schema, "label")
    names = class_columns.class_names(declared, torch.tensor([0, 2]), "here")
    assert names == ("0", "1", "2")


def test_an_unnamed_class_is_refused() -> None:
    described = b'{"info": {"features": {"label": {"names": ["a", "b"]}}}}'
    schema = pa.schema([("label", pa.int64())], metadata={b"huggingface": described})
    declared = class_columns.declared_names(schema, "label")
    assert class_columns.class_names(declared, torch.tensor([0]), "here") == ("a", "b")
    with pytest.raises(DataError, match="here: expected labels below 2, got 2"):
        class_columns.class_names(declared, torch.tensor([2]), "here")


def test_rows_without_a_label_are_passed_over() -> None:
    column = pa.chunked_array([[None, 4], [None], [0, 4]], pa.int64())
    labels, rows = class_columns.checked_labels(column, "here")
    assert (labels.tolist(), rows.tolist()) == ([4, 0, 4], [1, 3, 4])
    none = class_columns.checked_labels(pa.chunked_array([[None, None]], pa.int64()), "here")
    assert [part.tolist() for part in none] == [[], []]
    joined = class_columns.joined([none[0], labels], {}, "here")
    assert joined.tolist() == [4, 0, 4]
    with pytest.raises(DataError, match=r"found none: 2 without a label \(row 0, row 1\); write"):
        class_columns.joined([none[0]], {"without a label": ["row 0", "row 1"]}, "here")


def test_names_of_classes_are_those_of_every_file_that_has_some() -> None:
    files = [("a", _schema()), ("b", _schema("cat", "dog")), ("c", _schema("cat", "dog"))]
    assert class_columns.agreed_names(files, "label", "here") == ["cat", "dog"]
    assert class_columns.agreed_names(files[:1], "label", "here") == []


@pytest.mark.parametrize("others", [("dog", "cat"), ("cat", "dog", "cow"), ("cat", "Dog")])
def test_files_that_name_classes_otherwise_are_refused(others: tuple[str, ...]) -> None:
    files = [("a", _schema("cat", "dog")), ("b", _schema()), ("c", _schema(*others))]
    with pytest.raises(DataError, match=r"here: .*got 2 in a and others.* in c \("):
        class_columns.agreed_names(files, "label", "here")
