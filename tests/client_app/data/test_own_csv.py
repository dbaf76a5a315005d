"""A device's own table: nothing is dealt, rows keep their side, and classes can be listed."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from client_app.data import prepared, sources
from client_app.data.client_data import ClientData
from client_app.data.looked_at_once import forget_files
from strategies.common.errors import DataError, SettingsError
from strategies.common.inputs import Columns, Tokens
from strategies.common.settings import RunSettings

Build = Callable[..., RunSettings]
Load = Callable[..., ClientData]
Rows = set[tuple[float, ...]]


def write(place: Path, rows: Sequence[str], head: str = "kind,height,width") -> Path:
    place.write_text("\n".join([head, *rows]) + "\n", encoding="utf-8")
    forget_files()
    return place


def measured(numbers: Sequence[int]) -> list[str]:
    return [f"{'ab'[n % 2]},{n}.5,{-n}.25" for n in numbers]


def sides(data: ClientData) -> tuple[Rows, Rows]:
    train, test = (set(map(tuple, part.inputs.tolist())) for part in (data.train, data.test))
    return train, test


@pytest.fixture
def load(run_settings: Build, tmp_path: Path) -> Load:
    def of(place: Path, **changes: object) -> ClientData:
        run = run_settings(**{"min_train_samples": 2, "min_test_samples": 1, **changes})
        return prepared.load(run, f"own-csv:{place}", 1, 3, tmp_path / "state" / "prepared")

    return of


def test_a_client_has_every_row_of_it(load: Load, tmp_path: Path) -> None:
    data = load(write(tmp_path / "own.csv", measured(range(40))))
    train, test = sides(data)
    assert (len(train), len(test), data.inputs) == (30, 10, Columns(2))
    assert len(train | test) == 40
    assert data.class_names == ("a", "b")
    assert data.dealt == ""


def test_rows_that_come_later_move_no_other(load: Load, tmp_path: Path) -> None:
    place = tmp_path / "own.csv"
    train, test = sides(load(write(place, measured(range(40)))))
    more = load(write(place, measured([100, *range(39, -1, -1)])))
    new = {(100.5, -100.25)}
    assert tuple(side - new for side in sides(more)) == (train, test)
    assert "own-csv: 1 new sample, " in " ".join(more.notes)


def respelt(rows: Sequence[str]) -> list[str]:
    return [row.replace(".5,", ".500 , ") for row in rows]


def relabelled(rows: Sequence[str]) -> list[str]:
    return [("b" if row[0] == "a" else "a") + row[1:] for row in rows]


@pytest.mark.parametrize("edit", [respelt, relabelled])
def test_a_row_that_is_written_in_another_way_stays_on_its_side(
    load: Load, tmp_path: Path, edit: Callable[[Sequence[str]], list[str]]
) -> None:
    place, rows = tmp_path / "own.csv", measured(range(60))
    before = sides(load(write(place, rows)))
    again = load(write(place, edit(rows)))
    assert sides(again) == before
    assert not any("new sample" in note for note in again.notes)


def test_columns_that_are_not_read_move_no_row(load: Load, tmp_path: Path) -> None:
    place = tmp_path / "own.csv"
    chosen = {"label_column": "kind", "input_columns": "height,width"}
    before = sides(load(write(place, measured(range(60))), **chosen))
    more = [f"{row},day {n}" for n, row in enumerate(measured(range(60)))]
    assert sides(load(write(place, more, "kind,height,width,day"), **chosen)) == before


def test_a_link_that_is_turned_moves_no_row(load: Load, tmp_path: Path) -> None:
    link = tmp_path / "now.csv"
    first = write(tmp_path / "one.csv", measured(range(60)))
    second = write(tmp_path / "two.csv", measured(range(60)))
    link.symlink_to(first)
    before = sides(load(link))
    link.unlink()
    link.symlink_to(second)
    forget_files()
    assert sides(load(link)) == before


def test_copies_of_a_row_are_on_one_side(load: Load, tmp_path: Path) -> None:
    train, test = sides(load(write(tmp_path / "own.csv", measured([*range(20), *range(20)]))))
    assert not train & test


def test_a_list_names_classes_that_a_device_lacks(load: Load, tmp_path: Path) -> None:
    place = write(tmp_path / "own.csv", measured(range(0, 40, 2)))
    with pytest.raises(DataError, match=r"expected 2 to .* NAME.classes.txt beside NAME.csv"):
        load(place, label_column="kind")
    (tmp_path / "own.classes.txt").write_text("c\nb\na\n")
    forget_files()
    data = load(place, label_column="kind")
    assert data.class_names == ("c", "b", "a")
    assert set(data.train.labels.tolist()) == {2}
    (tmp_path / "own.classes.txt").write_text("b\nc\n")
    forget_files()
    with pytest.raises(DataError, match="found 1 others in 20 of 20 rows; list them on all"):
        load(place, label_column="kind")
    # Of a wrong column every label may be a sample.
    wrong = [f"{kind},Anna has {n}" for n, kind in enumerate("ab" * 10)]
    named = write(tmp_path / "texts.csv", wrong, "kind,text")
    (tmp_path / "texts.classes.txt").write_text("a\nb\n")
    with pytest.raises(DataError, match="found 20 others in 20 of 20 rows") as told:
        load(named, label_column="text", input_columns="kind")
    assert "Anna" not in str(told.value)


def test_numbers_of_a_list_are_those_of_the_rows_however_they_are_written(
    load: Load, tmp_path: Path
) -> None:
    rows = [f"{n % 2}.0,{n}.5,{-n}.25" for n in range(20)]
    place = write(tmp_path / "own.csv", rows)
    (tmp_path / "own.classes.txt").write_text("2\n1\n0\n")
    data = load(place, label_column="kind")
    assert data.class_names == ("2", "1", "0")
    assert {int(x[0]) % 2 for x in data.train.inputs[data.train.labels == 1].tolist()} == {1}


def test_columns_of_numbers_are_told_by_their_names(load: Load, tmp_path: Path) -> None:
    rows = measured(range(40))
    first, second, turned = (
        load(write(tmp_path / f"{place}.csv", rows, head))
        for place, head in enumerate(
            ("kind,height,width", "kind, height,width", "kind,width,height")
        )
    )
    assert first.words == second.words != turned.words
    chosen = load(tmp_path / "2.csv", input_columns="height,width")
    assert chosen.words == first.words
    assert chosen.train.inputs[0].tolist() == turned.train.inputs[0].flip(0).tolist()


def test_a_label_is_that_of_its_own_name_first(load: Load, tmp_path: Path) -> None:
    names = ["01", "1", "1_0", "10", "9007199254740992", "9007199254740993"]
    rows = [f"{names[n % 6]},{n}.5,{-n}.25" for n in range(60)]
    place = write(tmp_path / "own.csv", rows)
    (tmp_path / "own.classes.txt").write_text("\ufeff" + "\n".join(names))
    data = load(place, label_column="kind")
    assert data.class_names == tuple(names)
    counts = (data.train.labels.bincount() + data.test.labels.bincount()).tolist()
    assert counts == [10] * 6


def test_without_a_list_labels_of_one_number_are_one_class_and_told(
    load: Load, tmp_path: Path
) -> None:
    names = ["01", "1", "1_0", "9007199254740992", "9007199254740993"]
    rows = [f"{names[n % 2 + 3 * (n % 4 > 1)]},{n}.5,{-n}.25" for n in range(40)]
    data = load(write(tmp_path / "own.csv", rows), label_column="kind")
    assert data.class_names == ("1", "9007199254740992", "9007199254740993")
    # Labels may be private: none is shown.
    assert (
        "csv own.csv: labels that are one number are one class, written in more ways than one: "
        "1 of 3 classes"
    ) in data.notes
    rows = [f"{('10', '1_0')[n % 2]},{n}.5,{-n}.25" for n in range(40)]
    assert load(write(tmp_path / "two.csv", rows)).class_names == ("10", "1_0")


def test_numbers_without_names_of_columns_are_refused(load: Load, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="expected a first row that names the columns"):
        load(write(tmp_path / "own.csv", measured(range(40))[1:], measured([0])[0]))


def test_a_row_with_a_listed_class_names_no_columns(load: Load, tmp_path: Path) -> None:
    rows = [f"a text of number {n},{'ab'[n % 2]}" for n in range(40)]
    place = write(tmp_path / "own.csv", rows, "Anna has a rare thing,rare")
    (tmp_path / "own.classes.txt").write_text("a\nb\nrare\n")
    data = load(place, text_length=6, vocabulary=50)
    assert len(data.train) + len(data.test) == 41
    assert 2 in data.train.labels.tolist() + data.test.labels.tolist()
    (tmp_path / "own.classes.txt").unlink()
    forget_files()
    assert "Anna" not in " ".join(load(place, text_length=6, vocabulary=50).notes)


def test_what_is_beyond_a_limit_is_told_by_its_place(load: Load, tmp_path: Path) -> None:
    place = write(tmp_path / "own.csv", measured(range(40)))
    (told,) = (n for n in load(place, max_samples=20).notes if "beyond max-samples" in n)
    assert "row " in told


def test_texts_are_numbered_and_silent_rows_counted(load: Load, tmp_path: Path) -> None:
    rows = [f"{'ab'[n % 2]},a text of number {n}" for n in range(40)] + ["a, "]
    data = load(write(tmp_path / "own.csv", rows, "kind,text"), text_length=6, vocabulary=50)
    assert data.inputs == Tokens(6, 50)
    assert len(data.train) + len(data.test) == 40
    assert data.words
    assert any("1 of 41 rows" in note for note in data.notes), data.notes


def test_all_clients_of_a_simulation_would_hold_the_same_rows() -> None:
    with pytest.raises(SettingsError, match=r"own-csv:a.csv is a device's own, .*csv:a.csv deals"):
        sources.check_dealt("own-csv:a.csv")
