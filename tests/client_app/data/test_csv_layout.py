"""Which columns are learnt from: none that counts rows, says the label, or cannot be read."""

from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from client_app.data.collection import Collection
from client_app.data.csv_layout import probed
from strategies.common.errors import DataError

Read = Callable[..., Collection]


def table(head: str, row: str, count: int = 40) -> str:
    lines = (row.format(n=n, k=n % 2, ab="ab"[n % 2], rg="rg"[n % 2]) for n in range(count))
    return "\n".join([*([head] if head else []), *lines]) + "\n"


def of_column(found: Collection, place: int) -> list[float]:
    inputs: list[float] = found.read(torch.arange(len(found.labels)), 0).inputs[:, place].tolist()
    return inputs


def test_a_count_of_rows_in_another_order_is_not_learnt_from(read_csv: Read) -> None:
    order = [n * 7 % 40 for n in range(40)]
    named, numbered = ("label", "a", "b"), ("4", "2", "3")
    for first, head in ((0, ",a,b,label\n"), (1, ""), (0, "Index,a,b,label\n")):
        lines = "".join(f"{n + first},{n}.5,{n * n}.5,{'ab'[n % 2]}\n" for n in order)
        found = read_csv(head + lines)
        assert found.columns == (named if head else numbered)
        assert of_column(found, 0) == [n + 0.5 for n in order]
        assert any("(counts rows)" in note for note in found.notes)
    # With a name of its own, and where a number is lacking, it is what it is called.
    lines = "".join(f"{n},{n}.5,{'ab'[n % 2]}\n" for n in order)
    assert read_csv(f"day,a,label\n{lines}").columns == ("label", "day", "a")
    gone = "".join(f"{n},{n}.5,{'ab'[n % 2]}\n" for n in order if n % 11)
    assert read_csv(gone).columns == ("3", "1", "2")


def test_that_a_column_says_the_label_is_told_of_all_rows(read_csv: Read) -> None:
    lines = [f"{n % 9 * (n > 2200)},{n % 251}.5,{int(n > 2200)}" for n in range(4400)]
    found = read_csv("\n".join(["p,q,label", *lines]))
    assert found.columns == ("label", "p", "q")
    lines = [f"{10 * (n > 2200)},{n % 251}.5,{int(n > 2200)}" for n in range(4400)]
    assert read_csv("\n".join(["p,q,label", *lines])).columns == ("label", "q")


def test_the_label_of_a_table_that_is_sorted_by_it_is_found(read_csv: Read) -> None:
    lines = [f"{n}.5,{n % 7}.5,{'ab'[n > 3000]}" for n in range(4400)]
    assert read_csv("\n".join(lines)).class_names == ("a", "b")


@given(st.integers(2001, 50_000), st.integers(2, 40))
def test_of_a_long_table_rows_of_every_class_are_looked_at(rows: int, classes: int) -> None:
    in_turn = probed([[str(n % classes)] for n in range(rows)])
    in_order = probed([[str(n * classes // rows)] for n in range(rows)])
    assert len({row[0] for row in in_turn}) == len({row[0] for row in in_order}) == classes


@given(st.integers(2, 20_000))
def test_rows_that_are_looked_at_are_in_their_order_and_each_once(rows: int) -> None:
    places = [int(row[0]) for row in probed([[str(n)] for n in range(rows)])]
    assert places == sorted(set(places))
    assert len(places) == rows if rows <= 2000 else 1000 < len(places) <= 2000


def test_values_that_come_once_do_not_surely_say_the_label(read_csv: Read) -> None:
    head = "width,height,label\n"
    found = read_csv(f"{head}1,3.5,x\n1,4.5,x\n2,5.5,y\n2,6.5,y\n3,8.5,z\n")
    assert found.columns == ("label", "width", "height")
    assert found.notes[1] == (
        "csv table.csv: columns that are read, and of which each seems to say the label or to "
        "count rows: width (says the label); if they do, name the others in input-columns"
    )
    found = read_csv(f"{head}1,3.5,x\n1,4.5,x\n2,5.5,y\n2,6.5,y\n3,8.5,z\n3,9.5,z\n")
    assert found.columns == ("label", "height")


def test_a_devices_own_columns_are_left_out_by_their_names_alone(read_csv: Read) -> None:
    head = "id,day,temp,pump,class,label"
    first = read_csv(table(head, "{n},{n},{n}.5,{k},{ab},{ab}"), own=True)
    second = read_csv(
        table(head, "7{k},1{k},{n}.5,0,a,a"), own=True, classes=("a", "b"), label_column="label"
    )
    assert first.columns == second.columns == ("label", "day", "temp", "pump")
    assert first.notes[1].endswith("not read: id (counts rows), class (another label)")
    assert "day (counts rows), pump (says the label); if they do" in first.notes[2]
    assert len(second.notes) == 2
    dealt = read_csv(table(head, "{n},{n},{n}.5,{k},{ab},{ab}"))
    assert dealt.columns == ("label", "temp")


def test_columns_that_are_asked_for_are_all_read_or_refused(read_csv: Read) -> None:
    mixed = table("a,b,colour,kind,label", "{n}.5,{n}.25,{rg},{ab},{k}")
    with pytest.raises(DataError, match=r"found numbers in a, b and others in colour; name "):
        read_csv(mixed, input_columns="a,b,colour")
    assert read_csv(mixed, input_columns="a,b").columns == ("label", "a", "b")
    assert read_csv(mixed, input_columns="colour,kind").columns == ("label", "colour", "kind")


def test_numbers_with_decimal_commas_are_refused_and_never_read_as_texts(read_csv: Read) -> None:
    told = r"in column a, but cells look like numbers with decimal commas; write .* as 1\.5"
    commas = table("a;b;label", "{n},5;{n}.5;{ab}")
    with pytest.raises(DataError, match=f"{told}.*, or name other columns in input-columns"):
        read_csv(commas)
    for asked in ("a", "a,b"):
        with pytest.raises(DataError, match=told) as error:
            read_csv(commas, input_columns=asked)
        assert "input-columns" not in str(error.value)
    assert read_csv(commas, input_columns="b").columns == ("label", "b")
    # Beside texts they are no texts.
    texts = table("price;text;label", "1.{n},5;the words of {n};{ab}")
    assert read_csv(texts).columns == ("label", "text")
    with pytest.raises(DataError, match="in column price, but cells look like numbers"):
        read_csv(texts, input_columns="price,text")
