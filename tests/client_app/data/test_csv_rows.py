"""The rows of a CSV file: separators at their ends, other widths, cells that are too long."""

from collections.abc import Callable

import pytest

from client_app.data.collection import Collection
from strategies.common.errors import DataError

Read = Callable[..., Collection]


def rows(row: str, count: int = 20) -> str:
    return "".join(row.format(n=n, ab="ab"[n % 2]) + "\n" for n in range(count))


@pytest.mark.parametrize(
    ("header", "row"),
    [
        ("kind,a,b,label", "{n}.5,{n}.25,7,{ab},"),
        ("kind,a,b,label", "{n}.5,{n}.25,7,{ab}, ,"),
        ("kind,a,b,label,", "{n}.5,{n}.25,7,{ab},"),
        ("kind,a,b,label,", "{n}.5,{n}.25,7,{ab}"),
    ],
)
def test_a_separator_at_the_end_of_rows_makes_no_column(
    read_csv: Read, header: str, row: str
) -> None:
    found = read_csv(f"{header}\n{rows(row)}")
    assert (found.class_names, found.left_out) == (("a", "b"), {})
    assert found.columns == ("label", "kind", "a", "b")


def test_the_label_is_found_before_separators_at_the_end(read_csv: Read) -> None:
    found = read_csv(rows("some words of {n},{ab},"))
    assert (found.class_names, len(found.labels)) == (("a", "b"), 20)


def test_a_cell_that_one_row_alone_has_makes_no_other_row_wrong(read_csv: Read) -> None:
    found = read_csv(f"a,b,label\n{rows('{n}.5,{n}.25,{ab},')}1,2,3,a,\n1,2\n")
    assert found.left_out == {"with another number of cells": ["line 22", "line 23"]}
    assert len(found.labels) == 20


def test_an_empty_column_that_has_a_name_is_one(read_csv: Read) -> None:
    found = read_csv(f"a,label,note\n{rows('{n}.5,{ab},')}")
    assert found.notes[1].endswith("columns that are not read: note (no numbers)")


def test_a_first_row_of_another_width_is_refused(read_csv: Read) -> None:
    told = "as many cells in the first row as in the others, found {} in it and 4 in the others"
    good = rows("{n},{n}.5,{n}.25,{ab}")
    with pytest.raises(DataError, match=told.format(3)):
        read_csv(f"anna,b,kind\n{good}")
    with pytest.raises(DataError, match=told.format(5)) as error:
        read_csv(f"anna,b,c,kind,more\n{good}")
    assert "anna" not in str(error.value)
    # A broken row elsewhere does not hide it; a first row that is broken as others are is counted.
    with pytest.raises(DataError, match=told.format(3)):
        read_csv(f"anna,b,label\n{good}1,2\n")
    assert read_csv(f"1,2\n{good}1,2\n").left_out == {
        "with another number of cells": ["line 1", "line 22"]
    }


@pytest.mark.parametrize("at", [0, 3, 60])
def test_a_cell_that_is_too_long_is_told_with_the_line_that_its_row_begins_in(
    read_csv: Read, at: int
) -> None:
    lines = [f"some words {n},{'ab'[n % 2]}" for n in range(80)]
    lines[at] = '"two\nlines ' + "x" * 10_000_001 + '",a'
    told = rf"line {at + 1}: .*at most 10,000,000 characters, found a larger one"
    with pytest.raises(DataError, match=told):
        read_csv("\n".join(lines))
