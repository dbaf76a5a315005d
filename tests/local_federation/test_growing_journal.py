import json
from pathlib import Path

import pytest

from local_federation.watch import GrowingJournal, reason
from tests.server_app.run_folders import round_of


def text_of(*rounds: int) -> str:
    return "".join(f"{json.dumps(round_of(number, [0.5, 0.5]))}\n" for number in rounds)


def new_rounds(journal: GrowingJournal) -> list[int]:
    return [line.round_number for line in journal.new_lines()]


def test_each_line_is_read_once_and_only_when_it_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "rounds.jsonl"
    journal = GrowingJournal(path)
    assert new_rounds(journal) == []
    path.write_text(text_of(1, 2) + text_of(3)[:50])
    assert new_rounds(journal) == [1, 2]
    assert new_rounds(journal) == []
    with path.open("a") as file:
        file.write(text_of(3)[50:])
    # What was read already is not looked at again, whatever becomes of it.
    with path.open("r+") as file:
        file.write("damaged")
    assert new_rounds(journal) == [3]
    assert journal.rounds == 3


def test_rounds_that_are_played_again_are_new(tmp_path: Path) -> None:
    path = tmp_path / "rounds.jsonl"
    path.write_text(text_of(1, 2, 3))
    journal = GrowingJournal(path)
    assert new_rounds(journal) == [1, 2, 3]
    path.write_text(text_of(1))
    assert new_rounds(journal) == []
    assert journal.rounds == 1
    path.write_text(text_of(1, 2))
    assert new_rounds(journal) == [2]


@pytest.mark.parametrize(
    ("log", "told"),
    [
        ("", ""),
        (
            "INFO : round 1\nclient 0: expected 2 classes, got 3\n",
            "client 0: expected 2 classes, got 3",
        ),
        ("Traceback\n  File x\nKeyError: 'a'\nINFO : the run is saved", "KeyError: 'a'"),
        (
            "\x1b[91mERROR\x1b[0m\nstrategies.common.errors.DataError: x: empty\n\nbye",
            "x: empty",
        ),
        (
            "INFO : round 1\nTraceback (most recent call last):\n  File y\n    with self._na",
            "its log breaks off within an error; is there space left on the disk?",
        ),
    ],
)
def test_the_reason_of_a_log_is_one_sentence(log: str, told: str) -> None:
    assert reason(log) == told
