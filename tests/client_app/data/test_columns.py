from collections.abc import Callable

import pyarrow as pa
import pytest

from client_app.data import columns
from client_app.data.columns import Columns
from strategies.common.errors import DataError
from strategies.common.settings import RunSettings

Build = Callable[..., RunSettings]
KIND = pa.dictionary(pa.int32(), pa.string())
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
    only = pa.schema([("species", pa.int64()), ("img", IMAGE)])
    assert columns.choose(only, "here").notes == (
        "labels are column species, the only one of integers",
    )


def test_plain_bytes_are_images_where_that_is_certain() -> None:
    both = [("hash", pa.binary()), ("Img", pa.large_binary()), ("label", pa.int64())]
    assert columns.choose(pa.schema(both), "here") == Columns("Img", "label")
    one = pa.schema([("scan", pa.binary()), ("label", pa.int64())])
    assert columns.choose(one, "here") == Columns("scan", "label")
    assert columns.image_column(pa.schema([("a", pa.binary()), ("img", IMAGE)]), "here") == "img"
    with pytest.raises(DataError, match=r"plain bytes: named image.*found a \(binary\), b"):
        columns.image_column(pa.schema([("a", pa.binary()), ("b", pa.binary())]), "here")


def test_no_image_column() -> None:
    schema = pa.schema([("text", pa.string()), ("label", pa.int64())])
    with pytest.raises(DataError, match=r"here: .*image column.*found text \(string\), label"):
        columns.choose(schema, "here")


@pytest.mark.parametrize(
    ("other", "complaint"),
    [
        ([("a", pa.int8()), ("b", pa.int8())], r"found img.*b \(int8\); set label-column"),
        ([("id", pa.int64()), ("label", pa.string())], r"found label \(string\), which is called"),
        ([("Label", pa.bool_()), ("len", pa.int64())], r"found Label \(bool\), which is called"),
        ([("class", pa.float64())], r"found class \(double\).*among img.*set label-column to"),
        ([("ID", pa.int64())], r"found ID, which is called as numbers of rows are.*label-column"),
        ([("__index_level_0__", pa.int64())], "called as numbers of rows are"),
    ],
)
def test_no_label_column(other: list[tuple[str, pa.DataType]], complaint: str) -> None:
    with pytest.raises(DataError, match=f"here: expected a column of integer labels.*{complaint}"):
        columns.choose(pa.schema([("img", IMAGE), *other]), "here")


def test_labels_of_another_name_are_told(run_settings: Build) -> None:
    schema = pa.schema([("Img", IMAGE), ("species", pa.int64()), ("LABEL", pa.uint8())])
    assert columns.choose(schema, "here") == Columns("Img", "LABEL")
    two = pa.schema([("img", IMAGE), ("id", pa.int64()), ("kind", pa.int64())])
    asked = columns.choose(two, "here", run_settings(label_column="kind"))
    assert (asked.label, asked.notes) == ("kind", ())
    with pytest.raises(DataError, match=r"columns of integers, id, kind, got 'img'; found img"):
        columns.choose(two, "here", run_settings(label_column="img"))


def test_texts_that_are_called_as_labels_are_stand_aside(run_settings: Build) -> None:
    said = ("Label_Text", "label_names", "topic_name", "class")
    names = [*((name, pa.string()) for name in ("title", *said)), ("kind", KIND)]
    schema = pa.schema([*names, ("topic", pa.int32())])
    with pytest.raises(DataError, match=r"found class \(string\)"):
        columns.choose(schema, "here", run_settings())
    chosen = columns.choose(schema, "here", run_settings(label_column="topic"))
    assert chosen.texts == ("title", "kind")
    assert dict(chosen.aside) == dict.fromkeys(said, "called as labels are")
    asked = columns.choose(schema, "", run_settings(label_column="topic", input_columns="class"))
    assert (asked.texts, asked.are_asked_for) == (("class",), True)


def test_what_is_read_of_many_texts_is_told() -> None:
    both = Columns("", "label", ("title", "body", "mood"), aside={"class": "called as labels are"})
    settled = both.without(["mood"], "here")
    assert settled.texts == ("title", "body")
    assert settled.notes == (
        "texts are read of title, body, and not of class (called as labels are), mood (says the "
        "label)",
    )
    assert Columns("", "label", ("body",)).without([], "here").notes == ()
    two = Columns("", "label", ("title", "body")).without([], "here")
    assert two.notes == ("texts are read of title, body",)
    with pytest.raises(DataError, match=r"none but body \(says the label\); name it in input-col"):
        Columns("", "label", ("body",)).without(["body"], "here")


def test_files_whose_columns_differ_are_refused() -> None:
    def file(name: str, *texts: str) -> tuple[str, pa.Schema, Columns]:
        schema = pa.schema([("label", pa.int64()), *((text, pa.string()) for text in texts)])
        return name, schema, Columns("", "label", texts)

    columns.require_alike([file("a", "x", "y"), file("b", "y", "x")], "here")
    with pytest.raises(DataError, match=r"got label, x of a, and label, z of c, whose columns are"):
        columns.require_alike([file("a", "x"), file("b", "x"), file("c", "z")], "here")
