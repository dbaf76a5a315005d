"""Which first rows name columns: as pandas numbers them, names that come twice, and samples."""

from collections.abc import Callable

import pytest
import torch

from client_app.data.collection import Collection
from client_app.data.csv_header import counts_columns
from strategies.common.errors import DataError

Read = Callable[..., Collection]


def rows(row: str, count: int = 20) -> str:
    return "".join(row.format(n=n, ab="ab"[n % 2], k=n % 2) + "\n" for n in range(count))


@pytest.mark.parametrize(
    ("header", "row", "classes"),
    [
        (",0,1,2", "{n},{n}.5,{n}.25,{k}.0", ("0.0", "1.0")),
        ("0,1,2", "{n}.5,{n}.25,{k}.0", ("0.0", "1.0")),
        ("0,1", "some words {n},{ab}", ("a", "b")),
    ],
)
def test_numbers_as_pandas_writes_them_name_columns(
    read_csv: Read, header: str, row: str, classes: tuple[str, ...]
) -> None:
    found = read_csv(f"{header}\n{rows(row)}")
    assert (found.class_names, len(found.labels), found.left_out) == (classes, 20, {})
    assert "the first row names columns" in found.notes[0]
    # Whatever the classes are called.
    listed = read_csv(f"{header}\n{rows(row)}", own=True, classes=("0", "1", "a", "b"))
    assert (len(listed.labels), listed.left_out) == (20, {})


def test_names_beside_numbers_may_be_a_sample_and_are_not_told(read_csv: Read) -> None:
    found = read_csv(f",0,1,kind\n{rows('{n},{n}.5,{n}.25,{ab}')}")
    assert (found.class_names, len(found.labels)) == (("a", "b"), 20)
    assert "the first row is taken for names of columns; the label is column 4" in found.notes[0]
    there = read_csv(f"0,1,a\n{rows('{n}.5,{n}.25,{ab}')}")
    assert (len(there.labels), there.class_names) == (21, ("a", "b"))


def test_a_column_of_a_number_is_named_by_it_first(read_csv: Read) -> None:
    table = f",0,1,2\n{rows('{n},{n}.5,{n}.25,{k}')}"
    assert read_csv(table, label_column="2").class_names == ("0", "1")
    assert read_csv(table, label_column="4").class_names == ("0", "1")


@pytest.mark.parametrize(
    ("first", "rest"),
    [
        # Each is among what stands below: a sample may be that.
        (["0", "1"], [["1", "0"], ["0", "1"], ["1", "1"]]),
        (["0", "1", "2"], [["0", "0", "2"], ["1", "1", "1"]]),
        # Other numbers, another order, no number at all, a sample of a class that is there.
        (["0", "1", "3", "4"], [["5", "6", "7", "8"]]),
        (["0", "2", "1", "3"], [["5", "6", "7", "8"]]),
        (["", "", "1", "2"], [["5", "6", "7", "8"]]),
        (["a", "b"], [["c", "d"]]),
        (["0", "1", "2", "ham"], [["5", "6", "7", "ham"]]),
    ],
)
def test_numbers_that_may_be_a_sample_name_no_columns(
    first: list[str], rest: list[list[str]]
) -> None:
    assert not counts_columns(first, rest)


def test_of_many_columns_numbers_from_0_are_no_sample() -> None:
    assert counts_columns(["0", "1", "2", "3"], [["0", "1", "2", "3"]])
    assert counts_columns(["0", "1"], [["0", "2"]])


def test_a_name_that_two_columns_have_is_a_name_and_stands_for_neither(read_csv: Read) -> None:
    table = f"text,text,kind\n{rows('one text of {n},and another {n},{ab}')}"
    found = read_csv(table)
    assert (found.class_names, len(found.labels)) == (("a", "b"), 20)
    with pytest.raises(DataError, match=r"got 'text', which 2 columns have.*of one: 1, 2$"):
        read_csv(table, input_columns="text")
    assert read_csv(table, input_columns="2").notes[0].endswith("texts are read of 2")
    told = read_csv(table, label_column="kind").notes[0]
    assert told.endswith("the label is column kind, texts are read of 1 (text), 2 (text)")


@pytest.mark.parametrize("first", ["nan,nan,a", ",,a", "yes,yes,a", "n/a,NaN,c"])
def test_a_first_sample_that_lacks_values_names_no_columns(read_csv: Read, first: str) -> None:
    more = "yes,yes,a\nyes,yes,b\n"
    found = read_csv(f"{first}\n{rows('{n}.5,{n}.25,{ab}', 60)}{more}", label_column="3")
    assert "the first row is a sample" in found.notes[0]


def test_numbers_with_decimal_commas_follow_names(read_csv: Read) -> None:
    with pytest.raises(DataError, match=r"in column width, height, but cells look like numbers"):
        read_csv(f"width;height;kind\n{rows('{n},5;{n},25;{ab}')}", label_column="kind")
    with pytest.raises(DataError, match=r"in column 1, 2, but cells look like numbers"):
        read_csv(rows('"{n},5","{n},25",{ab}'), label_column="3")


def test_own_columns_of_numbers_that_have_one_name_are_refused(read_csv: Read) -> None:
    table = f"height,height,label\n{rows('{n}.5,{n}.25,{ab}')}"
    with pytest.raises(DataError, match="theirs are the same, found one name twice"):
        read_csv(table, own=True)
    assert read_csv(table).read(torch.tensor([1]), 0).inputs.tolist() == [[1.5, 1.25]]
