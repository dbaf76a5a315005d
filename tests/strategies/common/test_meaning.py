"""Names in any form, ranges of values, and what of them comes back from a file."""

import json

import pytest

from strategies.common.errors import DataError
from strategies.common.inputs import Images
from strategies.common.meaning import Dealt, Meaning, ValueRange
from strategies.common.names import digest, normalised, printable
from strategies.common.task import Task


def test_names_are_alike_whatever_form_a_file_system_keeps_them_in() -> None:
    composed, decomposed = "\u00e9cole", "e\u0301cole"
    assert composed != decomposed
    assert normalised(decomposed) == composed
    assert digest([composed, "zoo"]) == digest([decomposed, "zoo"])
    assert digest(["a", "b"]) != digest(["b", "a"])
    # One list cannot pass for another by where its names are cut.
    assert digest(["a,b"]) != digest(["a", "b"])


def test_what_is_no_text_is_shown_by_its_bytes() -> None:
    undecodable = b"caf\xe9".decode("utf-8", "surrogateescape")
    assert printable(undecodable) == "caf\\xe9"
    assert printable("\ud800").encode() == b"\\ud800"
    assert printable("école 🎓") == "école 🎓"
    assert str(DataError(f"{undecodable} is missing")) == "caf\\xe9 is missing"


BYTES = ValueRange("bytes", 0, 255)
UNIT = ValueRange("floats", -1, 1)


@pytest.mark.parametrize(
    ("first", "second", "fit"),
    [
        (BYTES, ValueRange("bytes", 7, 200), True),
        # Ink from 0 to 16 was not scaled to bytes.
        (BYTES, ValueRange("bytes", 0, 16), False),
        (BYTES, UNIT, True),
        (BYTES, ValueRange("floats", -0.99, 0.8), True),
        (BYTES, ValueRange("floats", 0, 1), False),
        (BYTES, ValueRange("floats", 0, 255), False),
        (BYTES, ValueRange("floats", -2.4, 2.7), False),
        (ValueRange("floats", -2.4, 2.7), ValueRange("floats", -1.9, 2.1), True),
        (UNIT, ValueRange("floats", 0, 1), False),
        (ValueRange("floats", 0, 1), ValueRange("floats", 0, 0.3), True),
        (ValueRange("floats", 0, 1), ValueRange("floats", 0, 255), False),
        # Accelerations in g and in m/s2, and of a calm and of a lively person.
        (ValueRange("readings", -1, 1), ValueRange("readings", -9.8, 9.8), False),
        (ValueRange("readings", -1, 1), ValueRange("readings", 0, 5), True),
        # Kelvin beside degrees Celsius.
        (ValueRange("readings", 280, 300), ValueRange("readings", 7, 27), False),
        (UNIT, ValueRange("readings", -1, 1), False),
        # A client whose values are all alike tells nothing of its scale.
        (BYTES, ValueRange("bytes", 9, 9), True),
    ],
)
def test_ranges_of_one_scale_fit(first: ValueRange, second: ValueRange, fit: bool) -> None:
    assert first.fits(second) is fit
    assert second.fits(first) is fit


def test_a_task_keeps_its_meaning_in_a_file() -> None:
    meaning = Meaning(digest(["a"]), ("a",), True, BYTES, Dealt("digits", "1" * 64, 3))
    task = Task(1, Images(1, 8, 8), 4, meaning=meaning)
    read = Task.from_values(json.loads(json.dumps(task.to_values())))
    assert read.meaning == meaning
    bare = Task(1, Images(1, 8, 8), 4)
    # What is written of a task without one is what earlier versions wrote.
    assert "meaning" not in bare.to_values()
    assert Task.from_values(bare.to_values()).meaning == Meaning()
    # Payloads depend on shapes alone.
    assert task == bare
