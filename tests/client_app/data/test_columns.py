import pyarrow as pa
import pytest
import torch

from client_app.data import columns
from client_app.data.columns import Columns
from strategies.common.errors import DataError

IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ([("img", IMAGE), ("label", pa.int64())], ("img", "label")),
        (
            [("coarse_label", pa.int64()), ("fine_label", pa.int64()), ("img", IMAGE)],
            ("img", "fine_label"),
        ),
        (
            [("id", pa.int32()), ("label", pa.uint8()), ("image", IMAGE), ("mask", IMAGE)],
            ("image", "label"),
        ),
        # The only integers are the labels, whatever their name.
        (
            [("picture", IMAGE), ("species", pa.int16()), ("note", pa.string())],
            ("picture", "species"),
        ),
    ],
)
def test_choosing(fields: list[tuple[str, pa.DataType]], expected: tuple[str, str]) -> None:
    chosen = columns.choose(pa.schema(fields), "here")
    assert (chosen.image, chosen.label) == expected


def test_columns_that_might_have_been_meant_are_told() -> None:
    fields = [("label", pa.int64()), ("fine_label", pa.int8()), ("id", pa.int64()), ("img", IMAGE)]
    assert columns.choose(pa.schema(fields), "here").notes == (
        "labels are column label; fine_label is there too, and not read",
    )
    masks = [("mask", IMAGE), ("jpg", pa.binary()), ("hash", pa.binary())]
    assert columns.choose(pa.schema([*fields, *masks]), "here").notes == (
        "images are column img; mask, jpg are there too, and not read",
        "labels are column label; fine_label is there too, and not read",
    )
    assert columns.choose(pa.schema(fields[1:]), "here").notes == ()


def test_plain_bytes_are_images_where_that_is_certain() -> None:
    both = [("hash", pa.binary()), ("Img", pa.large_binary()), ("label", pa.int64())]
    assert columns.choose(pa.schema(both), "here") == Columns("Img", "label")
    one = pa.schema([("scan", pa.binary()), ("label", pa.int64())])
    assert columns.choose(one, "here") == Columns("scan", "label")
    assert columns.image_column(pa.schema([("a", pa.binary()), ("img", IMAGE)]), "here") == "img"
    with pytest.raises(DataError, match=r"plain bytes: named image.*found a \(binary\), b"):
        columns.image_column(pa.schema([("a", pa.binary()), ("b", pa.binary())]), "here")
    assert columns.as_cells([b"x", None, {"bytes": b"y", "path": None}]) == [
        {"bytes": b"x", "path": None},
        {"bytes": None, "path": None},
        {"bytes": b"y", "path": None},
    ]


def test_no_image_column() -> None:
    schema = pa.schema([("text", pa.string()), ("label", pa.int64())])
    with pytest.raises(DataError, match=r"here: .*image column.*found text \(string\), label"):
        columns.choose(schema, "here")


@pytest.mark.parametrize("other", [[("label", pa.string())], [("a", pa.int8()), ("b", pa.int8())]])
def test_no_label_column(other: list[tuple[str, pa.DataType]]) -> None:
    with pytest.raises(DataError, match=r"here: expected a column of integer labels .*found img"):
        columns.choose(pa.schema([("img", IMAGE), *other]), "here")


@pytest.mark.parametrize(
    ("labels", "complaint"),
    [
        *(([], "found none"), ([0, None], "1 have none"), ([0, -1], "labels from 0, got -1")),
        ([0, 10**15], "labels below 100000, got 1000000000000000"),
    ],
)
def test_bad_labels(labels: list[int | None], complaint: str) -> None:
    with pytest.raises(DataError, match=complaint):
        columns.checked_labels(pa.chunked_array([labels], pa.int64()), "here")


def test_labels_beyond_what_torch_holds_are_refused() -> None:
    with pytest.raises(DataError, match="labels below 100000, got 9223372036854775808"):
        columns.checked_labels(pa.chunked_array([[0, 2**63]], pa.uint64()), "here")


@pytest.mark.parametrize(
    "described", [b"{", b"[]", b'{"info": null}', b'{"info": {"features": {}}}']
)
def test_unreadable_metadata_leave_numbers(described: bytes) -> None:
    schema = pa.schema([("label", pa.int64())], metadata={b"huggingface": described})
    names = columns.class_names(schema, "label", torch.tensor([0, 2]), "here")
    assert names == ("0", "1", "2")


def test_an_unnamed_class_is_refused() -> None:
    described = b'{"info": {"features": {"label": {"names": ["a", "b"]}}}}'
    schema = pa.schema([("label", pa.int64())], metadata={b"huggingface": described})
    assert columns.class_names(schema, "label", torch.tensor([0]), "here") == ("a", "b")
    with pytest.raises(DataError, match="here: expected labels below 2, got 2"):
        columns.class_names(schema, "label", torch.tensor([2]), "here")


@pytest.mark.parametrize("cell", [None, {"bytes": None, "path": "/etc/hostname"}, {"bytes": b"no"}])
def test_an_unreadable_cell_is_named_by_row(cell: columns.Cell) -> None:
    with pytest.raises(DataError, match="here, row 7: the image cannot be read: "):
        columns.decode([cell], torch.tensor([7]), 3, 0, "here")
