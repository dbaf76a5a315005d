"""Tables in CSV files: which columns count, and which rows cannot."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from client_app.data import csv_file, prepared
from client_app.data.collection import Collection
from strategies.common.errors import DataError
from strategies.common.inputs import Columns, Tokens
from strategies.common.settings import RunSettings

Build = Callable[..., RunSettings]

NEWS = '"3","Oil, again","Prices rose."\n"1","Talks","They met ""in secret"" twice.\nThen left."\n'


def inputs(found: Collection, *rows: int) -> torch.Tensor:
    return found.read(torch.tensor(rows or range(len(found.labels))), 0).inputs


def test_news_without_a_header_are_texts_of_both_columns(
    read_csv: Callable[..., Collection],
) -> None:
    rows = "".join(NEWS.replace("Talks", f"Talks {n}").replace("rose", f"rose {n}") for n in "ab")
    found = read_csv(rows, label_column="1", text_length=12)
    assert found.class_names == ("1", "3")
    assert found.labels.tolist() == [1, 0] * 2
    assert found.notes == (
        "csv table.csv: the first row is a sample; the label is column 1, texts are read of 2, 3",
    )
    # talks a they met " in secret " twice . then left . : twelve of fourteen words and marks
    assert inputs(found, 1).count_nonzero().item() == 12
    # oil , again prices rose a .
    assert inputs(found, 0).count_nonzero().item() == 7


def test_the_label_is_found_where_one_end_alone_has_few_values(
    read_csv: Callable[..., Collection],
) -> None:
    rows = "".join(f"{n % 3 + 1},Title {n},Words and words {n}\n" for n in range(30))
    assert read_csv(rows).class_names == ("1", "2", "3")
    numbers = "".join(f"{n / 7},{n * 1.5},{'ab'[n % 2]}\n" for n in range(30))
    found = read_csv(numbers)
    assert found.class_names == ("a", "b")
    assert inputs(found, 2).tolist() == [[pytest.approx(2 / 7), 3.0]]


def test_named_columns_count_in_the_order_asked_for(read_csv: Callable[..., Collection]) -> None:
    table = "height;kind;width;colour\n1;x;2;red\n3;y;4;blue\n1;y;2;red\n"
    found = read_csv(table, label_column="kind", input_columns="width, height")
    assert inputs(found).tolist() == [[2.0, 1.0], [4.0, 3.0], [2.0, 1.0]]
    alone = read_csv(table, label_column="kind")
    assert inputs(alone).tolist() == [[1.0, 2.0], [3.0, 4.0], [1.0, 2.0]]
    assert alone.notes == (
        "csv table.csv: the first row names columns; the label is column kind, numbers are read of "
        "height, width",
        "csv table.csv: columns that are not read: colour (no numbers)",
    )


@pytest.mark.parametrize("none", ["", "nan", "NaN", "N/A", "null", "?"])
def test_a_column_whose_numbers_are_not_all_known_is_read(
    read_csv: Callable[..., Collection], none: str
) -> None:
    """However they say so: the rows are counted, and the column is not lost to all others."""
    rows = [f"{none if n % 3 == 0 else n},{n}.5,{'ab'[n % 2]}" for n in range(30)]
    found = read_csv("\n".join(["height,width,label", *rows]))
    assert inputs(found)[0].tolist() == [1.0, 1.5]
    lines = [f"line {n + 2}" for n in range(0, 30, 3)]
    assert found.left_out == {"without a number in each column": lines}


def test_a_column_of_which_some_are_numbers_tells_how_many(
    read_csv: Callable[..., Collection],
) -> None:
    rows = [f"{'wide' if n % 3 == 0 else n},{n}.5,{'ab'[n % 2]}" for n in range(30)]
    found = read_csv("\n".join(["height,width,label", *rows]))
    assert found.notes[1] == (
        "csv table.csv: columns that are not read: height (numbers in 20 of 30 rows alone)"
    )


@pytest.mark.parametrize("none", ["", "n/a"])
def test_a_column_that_hardly_ever_has_a_number_does_not_cost_the_rows(
    read_csv: Callable[..., Collection], none: str
) -> None:
    rows = [f"{none if n % 3 else n},{n}.5,{'ab'[n % 2]}" for n in range(30)]
    table = "\n".join(["height,width,label", *rows])
    found = read_csv(table)
    assert (len(found.labels), found.left_out) == (30, {})
    assert found.notes[1].endswith(
        "columns that are not read: height (numbers in 10 of 30 rows alone)"
    )
    asked = read_csv(table, input_columns="height,width")
    assert len(asked.labels) == 10


def test_labels_that_are_numbers_are_in_their_order(read_csv: Callable[..., Collection]) -> None:
    rows = "".join(f"{label}\tsome words {n}\n" for n in range(9) for label in (10, 9, 2))
    assert read_csv(rows).class_names == ("2", "9", "10")


def test_rows_that_cannot_be_used_are_counted_with_their_reason(
    read_csv: Callable[..., Collection],
) -> None:
    good = "".join(f"{n}.5,{n},{'ab'[n % 2]}\n" for n in range(40))
    found = read_csv(f"{good}1,2\n3,,a\nnan,4,b\n5,6, \n")
    assert len(found.labels) == 40
    assert found.left_out == {
        "with another number of cells": ["line 41"],
        "without a number in each column": ["line 42", "line 43"],
        "without a label": ["line 44"],
    }
    assert (found.total, found.counted) == (44, "rows")


def test_texts_without_a_word_are_left_out_and_cut_ones_counted(
    read_csv: Callable[..., Collection],
) -> None:
    rows = "".join(f"{n % 2},words of text {n}\n" for n in range(20)) + "1,\n0,  \n"
    found = read_csv(rows, text_length=3)
    reading = found.read(torch.arange(22), 0)
    assert reading.kept.tolist() == list(range(20))
    assert reading.left_out == {"without a word": ["line 21", "line 22"]}
    assert reading.notes == (
        "csv table.csv: 20 of 20 texts have more than text-length=3 words and were cut",
    )
    with pytest.raises(DataError, match="expected texts with words, found none among 2 rows"):
        found.read(torch.tensor([20, 21]), 0)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "expected rows, found none"),
        (b"one\ntwo\nthree\n", "expected rows of at least two cells"),
        ("1,caf\u00e9 and tea\n2,tea".encode("latin-1"), "text in UTF-8, found the byte 0xe9 at 5"),
        ("1,a b\n2,c d".encode("utf-16"), "expected text in UTF-8"),
        (b"1,a b c\n1,d e f\n1,g h i\n", "label-column to its name"),
        (b"a,b\nb,a\n" * 5, "which of 2 columns is the label, found 2"),
    ],
)
def test_what_is_no_table_is_refused(
    read_csv: Callable[..., Collection], content: bytes, told: str
) -> None:
    with pytest.raises(DataError, match=told):
        read_csv(content)


def test_columns_that_are_not_there_are_refused_and_no_sample_is_told(
    read_csv: Callable[..., Collection],
) -> None:
    for asked in ("kind", "4"):
        with pytest.raises(DataError, match=r"setting label-column: expected a number") as told:
            read_csv(NEWS, label_column=asked)
        assert str(told.value).endswith(f"a number from 1 to 3, got '{asked}'")
    with pytest.raises(DataError, match=r"expected height, kind, or a number from 1 to 2"):
        read_csv("height,kind\n1.5,a\n2.5,b\n", label_column="colour")
    with pytest.raises(DataError, match="expected other input-columns than the label"):
        read_csv(NEWS, label_column=1, input_columns="1,2")


@pytest.mark.parametrize(
    ("header", "row", "told", "label"),
    [
        # What might be a sample is not told, which others would read.
        ("review,sentiment", "a good film {n},{ab}", "is taken for names of columns", "2"),
        ("Category,Message", "{ab},words and words {n}", "is taken for names of columns", "1"),
        ("0,1,2,label", "{n}.5,{n}.25,7,{ab}", "names columns", "label"),
        ("text,text,label", "one {n},two words,{ab}", "names columns", "label"),
        ("kind, width", "{ab},{n}.5", "names columns", "kind"),
    ],
)
def test_a_row_of_names_is_no_sample(
    read_csv: Callable[..., Collection], header: str, row: str, told: str, label: str
) -> None:
    rows = "\n".join(row.format(n=n, ab="ab"[n % 2]) for n in range(20))
    found = read_csv(f"{header}\n{rows}\n")
    assert found.class_names == ("a", "b")
    assert len(found.labels) == 20
    assert f"the first row {told}; the label is column {label}" in found.notes[0]


def test_what_says_the_label_or_counts_rows_is_not_learnt_from(
    read_csv: Callable[..., Collection],
) -> None:
    names = ("bad", "good")
    texts = "".join(f"{n},words of {n * 7},{n % 2},{names[n % 2]}\n" for n in range(30))
    found = read_csv(f",text,label,label_text\n{texts}", text_length=4)
    assert found.notes[1] == (
        "csv table.csv: columns that are not read:  (counts rows), label_text (says the label)"
    )
    assert inputs(found, 3).count_nonzero().item() == 3
    numbers = "".join(f"{n}.5,{n % 3},{n % 2}\n" for n in range(30))
    told = read_csv(f"w,class,target\n{numbers}")
    assert told.class_names == ("0", "1")
    assert told.notes[1].endswith("class (another label)")


def test_texts_keep_their_line_separators_and_a_quote_that_is_not_closed_is_refused(
    read_csv: Callable[..., Collection],
) -> None:
    rows = "".join(f"the cat sat\u2028 on\x0c mat {n},{'ab'[n % 2]}\n" for n in range(20))
    found = read_csv(rows)
    assert (len(found.labels), found.left_out) == (20, {})
    good = "".join(f"some words {n}\t{'ab'[n % 2]}\n" for n in range(20))
    with pytest.raises(DataError, match=r"after line 20: cannot be read: .*close every quote"):
        read_csv(f'{good}"and more\ta\n{good}')


def test_labels_of_one_number_are_one_class(read_csv: Callable[..., Collection]) -> None:
    rows = "".join(f"{label},some words {n}\n" for n in range(9) for label in ("1", "1.0", "2"))
    found = read_csv(rows)
    assert found.class_names == ("1", "2")
    assert found.labels.bincount().tolist() == [18, 9]


def test_numbers_that_float32_cannot_hold_and_commas_in_numbers_are_refused(
    read_csv: Callable[..., Collection],
) -> None:
    good = "".join(f"{n * 1.5},{'ab'[n % 2]}\n" for n in range(20))
    assert read_csv(f"{good}3e39,a\n").left_out == {"without a number in each column": ["line 21"]}
    with pytest.raises(DataError, match="found that ',' and ';' part all rows alike"):
        read_csv("".join(f"0,{n};3,0;{'ab'[n % 2]}\n" for n in range(20)))
    with pytest.raises(DataError, match="cannot be read"):
        read_csv("x" * 10_000_001)


def test_one_class_is_none(read_csv: Callable[..., Collection]) -> None:
    with pytest.raises(DataError, match=r"expected 2 to .* classes, found 1"):
        read_csv("5,a b\n5,c d\n", label_column="1")


def test_a_table_that_is_not_there_is_refused(tmp_path: Path, run_settings: Build) -> None:
    with pytest.raises(DataError, match=r"expected a file at .*, found none"):
        csv_file.read(tmp_path / "none.csv", run_settings())
    with pytest.raises(DataError, match="found a folder"):
        csv_file.files(tmp_path)


def test_clients_are_dealt_rows_of_one_table(tmp_path: Path, run_settings: Build) -> None:
    texts = tmp_path / "texts.csv"
    texts.write_text("".join(f"{n % 3},the words of number {n}\n" for n in range(90)))
    run = run_settings(partition="iid", text_length=7, vocabulary=50)
    found = [prepared.load(run, f"csv:{texts}", c, 3, tmp_path / "kept") for c in range(3)]
    assert sum(len(one.train) + len(one.test) for one in found) == 90
    assert {one.inputs for one in found} == {Tokens(7, 50)}
    assert len({one.words for one in found}) == len({one.dealt for one in found}) == 1
    assert found[0].words
    # Read back from where it was kept, and made anew where texts are to be longer.
    again = prepared.load(run, f"csv:{texts}", 1, 3, tmp_path / "kept")
    assert torch.equal(again.train.inputs, found[1].train.inputs)
    assert again.words == found[1].words
    longer = run.model_copy(update={"text_length": 9})
    assert prepared.load(longer, f"csv:{texts}", 1, 3, tmp_path / "kept").inputs == Tokens(9, 50)
    numbers = tmp_path / "numbers.csv"
    numbers.write_text("".join(f"{n * 1.5},{-n}.5,{'ab'[n % 2]}\n" for n in range(40)))
    row = prepared.load(run, f"csv:{numbers}", 0, 2, tmp_path / "kept")
    assert row.inputs == Columns(2)
    # Columns without names are told by their numbers.
    other = prepared.load(run, f"csv:{numbers}", 1, 2, tmp_path / "kept")
    assert row.words == other.words != found[0].words
