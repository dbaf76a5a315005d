"""What the cells of one column are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client_app.data.csv_column import (
    Telling,
    are_whole,
    count_in_any_order,
    have_commas,
    is_measured,
    rise_by_one,
    telling,
)


@given(st.integers(2, 30).flatmap(lambda n: st.permutations(range(n))), st.integers(0, 3))
def test_a_count_in_any_order_begins_at_0_or_1_and_lacks_nothing(
    order: list[int], first: int
) -> None:
    cells = [str(n + first) for n in order]
    assert count_in_any_order(cells) == (first < 2)
    assert not count_in_any_order([*cells[:-1], cells[0]])
    assert not count_in_any_order([*cells[:-1], f"{cells[-1]}.5"])
    assert rise_by_one(sorted(cells, key=int))


def test_what_rises_by_one_does_so_in_every_row() -> None:
    assert rise_by_one([str(n) for n in range(5, 5000)])
    assert not rise_by_one([*(str(n) for n in range(5000)), "7"])
    assert not rise_by_one(["0.5", "1.5", "2.5"])
    assert not rise_by_one(["1", "", "2"])
    assert not rise_by_one(["1"])


def test_whole_numbers_are_so_without_what_is_empty() -> None:
    assert are_whole(["17", "", "4.0"])
    assert not are_whole(["17", "17"])
    assert not are_whole(["17", "4.5"])
    assert not are_whole(["17", "A4"])


@pytest.mark.parametrize(
    ("cells", "labels", "found"),
    [
        ("1122", "aabb", Telling.SURELY),
        ("1123", "aabc", Telling.PERHAPS),
        ("111123", "aaaabc", Telling.SURELY),
        ("11223", "aabb ", Telling.SURELY),
        ("1111", "aaaa", Telling.NO),
        ("1234", "abcd", Telling.NO),
        ("1123", "aabb", Telling.NO),
        ("1122", "aaab", Telling.NO),
    ],
)
def test_a_column_says_the_label_where_each_value_is_one_label(
    cells: str, labels: str, found: Telling
) -> None:
    assert telling(list(cells), list(labels)) is found


@pytest.mark.parametrize("cell", ["1,5", "-1.234,5", ",5", "1,5e-3", " 2,0 "])
def test_a_number_with_a_decimal_comma_is_measured_and_no_number(cell: str) -> None:
    assert have_commas([cell, "2", ""])
    assert is_measured(cell)


@pytest.mark.parametrize("cell", ["1, 5", "1,5 cm", "a,5", "5,", "1,2,3", "", "1.5"])
def test_other_cells_are_no_numbers_with_commas(cell: str) -> None:
    assert not have_commas([cell, cell])
