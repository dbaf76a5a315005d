"""Which labels of a table are classes, which are none, and what is told of them."""

from collections.abc import Callable

import pytest

from client_app.data.collection import Collection
from strategies.common.errors import DataError

Read = Callable[..., Collection]


def table(labels: list[str]) -> str:
    return "\n".join(["a,b,kind", *(f"{n}.5,{n * n}.25,{label}" for n, label in enumerate(labels))])


@pytest.mark.parametrize("nan", ["NaN", "nan", "NAN"])
def test_a_label_that_is_no_number_among_numbers_is_none(read_csv: Read, nan: str) -> None:
    found = read_csv(table(["0", "1.0", nan, "1"] * 5), label_column="kind")
    assert found.class_names == ("0", "1")
    assert found.left_out == {"without a label": [f"line {4 * n + 4}" for n in range(5)]}
    listed = read_csv(table(["0", nan] * 5), label_column="kind", classes=("0", "1"), own=True)
    assert len(listed.left_out["without a label"]) == 5


def test_among_names_it_is_a_name(read_csv: Read) -> None:
    found = read_csv(table(["nan", "roti", "1"] * 5), label_column="kind")
    assert found.class_names == ("1", "nan", "roti")
    found = read_csv(table(["0", "nan"] * 5), label_column="kind", classes=("0", "nan"), own=True)
    assert (found.class_names, found.left_out) == (("0", "nan"), {})


def test_labels_that_are_measurements_are_told(read_csv: Read) -> None:
    told = (
        "csv table.csv: label column kind has 38 classes in 40 rows and holds fractions: each "
        "value is a class; if they are measurements, set label-column to another column"
    )
    labels = [f"{max(n, 2)}.25" for n in range(40)]
    assert told in read_csv(table(labels), label_column="kind").notes
    # Whole numbers may be what things are called by, and few fractions grades.
    for others in ([str(n) for n in range(40)], [f"{n % 4}.5" for n in range(40)]):
        notes = read_csv(table(others), label_column="kind").notes
        assert not any("fractions" in note for note in notes)
    # A huge number is whole, however it is written.
    assert len(read_csv(table(["1e5000", "2"] * 5), label_column="kind").class_names) == 2


def test_spellings_of_a_class_are_counted_and_not_shown(read_csv: Read) -> None:
    labels = ["50111", "50111.00", "60222", "6.0222e4", "7"] * 4
    told = " ".join(read_csv(table(labels), label_column="kind").notes)
    assert "written in more ways than one: 2 of 3 classes" in told
    assert "50111" not in told


def test_what_was_left_out_is_told_where_too_few_classes_remain(read_csv: Read) -> None:
    lines = [f"{n}.5,{n if n % 2 else ''},{n % 2}" for n in range(40)]
    told = r"found 1; set .*20 of 40 rows left out: 20 without a number in each column \(line 2, "
    with pytest.raises(DataError, match=told):
        read_csv("\n".join(["a,b,label", *lines]))
    none = "\n".join(["a,b,label", *(f"{n}.5,2,nan" for n in range(20))])
    with pytest.raises(DataError, match=r"can be used, found none;.*20 without a label"):
        read_csv(none, own=True, classes=("0", "1"))
    wide = "\n".join([*(f"{n}.5,{n}.25" for n in range(20)), "1,2,3"])
    with pytest.raises(DataError, match=r"columns is the label.*1 with another number of cells"):
        read_csv(wide)
