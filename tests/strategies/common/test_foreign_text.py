"""Text of other machines: one printable line of a bounded length, whatever they send."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strategies.common.foreign_text import LONGEST_SEEN, cleaned, seen


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("école Größe 学校 🙂", "école Größe 学校 🙂"),
        ("one\n\n  two\ttwo ", "one two two"),
        ("\x1b[2J\x1b[31mred\x07", "\\x1b[2J\\x1b[31mred\\x07"),
        ("caf\udce9", "caf\\udce9"),
        ("safe\u202egnp.exe", "safe\\u202egnp.exe"),
        ("क्\u200dष", "क्\u200dष"),
        ("", ""),
        ("\x00" * 3, "\\x00\\x00\\x00"),
    ],
)
def test_what_cannot_be_shown_is_written_out(text: str, shown: str) -> None:
    assert cleaned(text, 100) == shown


def test_a_long_text_is_cut() -> None:
    assert cleaned("x" * 900_000, 500) == "x" * 499 + "…"
    assert cleaned("x" * 500, 500) == "x" * 500
    # Blanks at the front do not hide how long the rest is.
    assert cleaned(" " * 3000 + "x", 500).endswith("…")
    assert len(seen("x" * 900_000)) == len(seen(["y"] * 900)) == LONGEST_SEEN + 3


@settings(max_examples=20, deadline=None)
@given(st.text(st.characters(exclude_categories=()), max_size=40), st.integers(1, 20))
def test_what_is_clean_stays_as_it_is(text: str, most: int) -> None:
    once = cleaned(text, most)
    assert len(once) <= most
    assert cleaned(once, most) == once
    once.encode()
    assert once.replace("\u200c", "").replace("\u200d", "").isprintable()
