"""Every number beside a payload has a range, lists fit each other, texts are cut and cleaned."""

import json
import math

import pytest

from strategies.common.errors import WireError
from strategies.common.transport.control import Control, Description, Report, read_control
from strategies.common.transport.ranges import MAX_NOTES, NAME_LENGTH, NOTE_LENGTH
from tests.strategies.common.transport.test_control import description, refused, report


@pytest.mark.parametrize(
    ("name", "bad"),
    [
        ("test_samples", 2**62),
        ("train_samples", 2**62),
        ("validation_samples", 2**62),
        ("class_samples", [2**62]),
        ("class_hits", [2**62]),
        ("class_predictions", [2**62]),
        ("round_number", 2**62),
        ("loss", 1e308),
        ("loss", -1e308),
        ("validation_loss", 1e308),
        ("loss.total", -1e308),
        ("load_s", 1e308),
        ("train_s", 1e308),
        ("evaluate_s", 1e308),
        ("save_s", 1e308),
        ("figure.step_ms", 1e308),
        ("score.own", 1.5),
        ("score.own", -0.5),
        ("loss.\x1b[2J", 0.5),
        ("loss." + "x" * (NAME_LENGTH + 1), 0.5),
        ("figure.", 0.5),
    ],
)
def test_a_number_of_a_report_out_of_its_range_is_refused(name: str, bad: object) -> None:
    told = refused(Report, report(**{name: bad}))
    assert len(told) < 600
    assert told.isprintable()


@pytest.mark.parametrize(
    ("name", "bad"),
    [
        ("clients", 2**62),
        ("clients", 0),
        ("partition", 2**62),
        ("num_partitions", 2**62),
        ("train_samples", 2**62),
        ("test_samples", 2**62),
        ("train_counts", [2**62, 0]),
        ("test_counts", [2**62, 0]),
        ("class_names", ["x"] * 100_001),
        ("figure.ms_per_image", 1e308),
        ("figure.\x1b[2J", 1.0),
        ("places", ["8:8:\x1b[2J"]),
    ],
)
def test_a_number_of_a_description_out_of_its_range_is_refused(name: str, bad: object) -> None:
    told = refused(Description, description(**{name: bad}))
    assert len(told) < 600
    assert told.isprintable()


@pytest.mark.parametrize(
    ("kind", "changes", "told"),
    [
        (Report, {"continued_from": 4}, "continued_from: expected at most round_number=3, got 4"),
        (Report, {"validation_samples": 31}, "expected at most train_samples=30, got 31"),
        (Report, {"class_samples": [10]}, "class_samples: expected as many as"),
        (Description, {"train_counts": [20, 11]}, "expected a sum of train_samples=30, got 31"),
        (
            Description,
            {"generated": 4, "train_counts": [20, 10]},
            "train_counts: expected a sum of train_samples=30 less generated=4, got 30",
        ),
        (Description, {"generated": 31}, "generated: expected at most train_samples=30, got 31"),
        (Description, {"test_counts": [5, 4]}, "expected a sum of test_samples=10, got 9"),
        (Description, {"train_counts": [30]}, "train_counts: expected none or 2 counts, got 1"),
        (Description, {"clients": 2}, "train_counts: expected none or 4 counts, got 2"),
        (Description, {"class_names": ["one"]}, "class_names: expected none or 2, one per class"),
        (Description, {"sizes": [1000, 1_000_000, 8]}, "sizes: expected at most 1000000000"),
    ],
)
def test_numbers_that_do_not_fit_each_other_are_refused(
    kind: type[Control], changes: dict[str, object], told: str
) -> None:
    values = report(**changes) if kind is Report else description(**changes)
    assert told in refused(kind, values)


def test_sums_over_many_clients_at_the_end_of_every_range_are_json() -> None:
    most = read_control(
        Report,
        report(
            correct=1e9, test_samples=10**9, loss=1e9, train_s=1e7, load_s=1e7, train_samples=10**9
        ),
        "client 4",
    )
    thousand = 1000 * most.loss * most.test_samples, 1000 * (most.train_s + most.load_s)
    assert all(math.isfinite(value) for value in thousand)
    json.dumps([*thousand, most.to_values()["loss"]], allow_nan=False)


def test_texts_are_cut_and_cleaned_at_the_door() -> None:
    note = "\x1b[2J" + "y" * 900_000
    names = ["caf\udce9", "\x1b[31mred"]
    told = read_control(
        Description,
        description(notes=[note], class_names=names, model="cnn\x1b[0m"),
        "client 4",
    )
    assert told.notes[0].startswith("\\x1b[2Jyyy")
    assert len(told.notes[0]) == NOTE_LENGTH
    assert told.class_names == ["caf\\udce9", "\\x1b[31mred"]
    assert told.model == "cnn\\x1b[0m"
    json.dumps(told.to_values(), ensure_ascii=False).encode()
    # What a device cleaned itself arrives as it was.
    assert read_control(Description, told.to_values(), "client 4") == told


def test_of_many_notes_the_first_are_kept_and_the_rest_are_counted() -> None:
    told = read_control(Report, report(notes=[f"note {n}" for n in range(2000)]), "client 4")
    assert len(told.notes) == MAX_NOTES
    assert told.notes[0] == "note 0"
    assert told.notes[-1] == f"{2000 - MAX_NOTES + 1} more notes are left out"
    assert read_control(Report, told.to_values(), "client 4") == told


def test_an_error_repeats_little_of_what_came_and_nothing_raw() -> None:
    for values in (
        description(**{"\x1b[2J" * 1000: 1}),
        description(model="\x1b[2J" * 100_000),
        {"\x1b[2J" * 1000: "x" * 900_000},
    ):
        with pytest.raises(WireError) as caught:
            read_control(Description, values, "node 7")
        assert str(caught.value).startswith("node 7: description.")
        assert len(str(caught.value)) < 1000
        assert str(caught.value).isprintable()
