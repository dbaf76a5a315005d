"""Words as numbers: alike everywhere, and refused where they cannot be."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from client_app.data.words import Numbering, words_of
from strategies.common.errors import DataError
from strategies.common.settings import RunSettings

Build = Callable[..., RunSettings]


def hashed(length: int = 5, size: int = 100) -> Numbering:
    return Numbering(length, size, "")


def test_words_are_small_and_marks_stand_alone() -> None:
    assert words_of("Don't  PANIC: Straße №1") == ["don", "'", "t", "panic", ":", "strasse", "no1"]
    assert words_of(" \n\t") == []


def test_texts_are_filled_up_and_cut() -> None:
    rows, cut = hashed(3).encode(["one", "one two three", "one two three four"])
    assert rows.shape == (3, 3)
    assert rows[0, 1:].tolist() == [0, 0]
    assert rows[1].tolist() == rows[2].tolist()
    assert cut == 1


def test_a_words_number_is_that_of_every_other_machine() -> None:
    # CRC-32, bit by bit (RFC 1952), of which 1 + n % 99 is left.
    crc = 0xFFFFFFFF
    for byte in b"rain":
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0xEDB88320 if crc & 1 else 0)
    rows, _ = hashed(1).encode(["rain"])
    assert rows.item() == 1 + (crc ^ 0xFFFFFFFF) % 99


@settings(max_examples=50, deadline=None)
@given(texts=st.lists(st.text(max_size=60), min_size=1, max_size=5), size=st.integers(2, 300))
def test_every_number_is_one_of_the_vocabulary(texts: list[str], size: int) -> None:
    rows, _ = hashed(8, size).encode(texts)
    assert int(rows.min()) >= 0
    assert int(rows.max()) < size
    for row, text in zip(rows, texts, strict=True):
        assert int((row > 0).sum()) == min(8, len(words_of(text)))


def test_a_file_lists_words_and_others_are_one_number(tmp_path: Path, run_settings: Build) -> None:
    path = tmp_path / "words.txt"
    path.write_text("rain\nsun\n", "utf-8")
    numbering = Numbering.of(run_settings(vocabulary_file=str(path), text_length=4))
    rows, _ = numbering.encode(["sun rain fog"])
    assert rows.tolist() == [[3, 2, 1, 0]]
    assert numbering.size == 4


def test_what_numbers_words_shows_in_the_digest(tmp_path: Path, run_settings: Build) -> None:
    digests = {Numbering.of(run_settings(vocabulary=size)).digest for size in (100, 101)}
    for name, words in (("a", "rain\nsun"), ("b", "sun\nrain"), ("c", "rain\nsun\n")):
        path = tmp_path / name
        path.write_text(words, "utf-8")
        digests.add(Numbering.of(run_settings(vocabulary_file=str(path))).digest)
    # The last file lists the same words in the same order as the first.
    assert len(digests) == 4


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "expected at least one word"),
        (b"rain\nRain", r"line 2: expected one word in small letters, .* or capital letters$"),
        (b"rain\nsun\nrain", "line 3: .*, got the one of line 1"),
        (b"rain\n\nsun", "line 2: expected one word"),
        (b"two words", "line 1: expected one word"),
        (b"\xff\xfe", "cannot be read .* give a file in UTF-8"),
    ],
)
def test_a_file_that_lists_no_words_is_refused(
    tmp_path: Path, run_settings: Build, content: bytes, told: str
) -> None:
    path = tmp_path / f"{abs(hash(content))}.txt"
    path.write_bytes(content)
    with pytest.raises(DataError, match=told):
        Numbering.of(run_settings(vocabulary_file=str(path)))


def test_a_file_that_is_not_there_is_refused(tmp_path: Path, run_settings: Build) -> None:
    with pytest.raises(DataError, match=r"cannot be read .* or leave it empty to hash words"):
        Numbering.of(run_settings(vocabulary_file=str(tmp_path / "none.txt")))
