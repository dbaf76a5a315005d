"""Docstrings as Markdown: tables, roles, literals, addresses, and what attributes mean."""

import pytest

from docs_site.docstring_markdown import attributes, introduction, markdown


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("``a_b`` of :func:`drawn`", "`a_b` of `drawn`"),
        (":class:`~strategies.common.payload.Rule`", "`strategies.common.payload.Rule`"),
        ("as here::\n\n    code", "as here:\n\n    code"),
        ("::\n\n    code", "\n\n    code"),
        ("see https://arxiv.org/abs/1.2. Next", "see <https://arxiv.org/abs/1.2>. Next"),
        ("Title\n=====\n\ntext", "Title\n=====\n\ntext"),
        ("Parameters\n----------\nx : int", "Parameters\n----------\nx : int"),
    ],
)
def test_text(text: str, told: str) -> None:
    assert markdown(text) == told


def test_a_table_without_a_head() -> None:
    text = (
        "Before.\n\n=====  ======\none    ``a|b``\n       more\ntwo    c\n=====  ======\n\nAfter."
    )
    assert markdown(text) == (
        "Before.\n\n|  |  |\n| --- | --- |\n| one | `a&#124;b` more |\n| two | c |\n\nAfter."
    )


def test_a_table_with_a_head() -> None:
    text = "===  ===\nx    y\n===  ===\n1    2\n===  ==="
    assert markdown(text) == "| x | y |\n| --- | --- |\n| 1 | 2 |"


class Toy:
    """What it is,
    in two lines.

    Attributes
    ----------
    one : int
        First,
        second.
    two, three : int, str
        Both.

    Notes
    -----
    four : int
        Not listed.
    """


def test_attributes_of_a_class() -> None:
    assert attributes(Toy) == {
        "one": "First, second.",
        "two": "`two`, `three`: Both.",
        "three": "`two`, `three`: Both.",
    }


def test_introduction_of_a_class() -> None:
    assert introduction(Toy) == "What it is,\nin two lines."


def test_a_class_without_a_docstring_says_nothing() -> None:
    mute = type("Mute", (), {})
    assert (attributes(mute), introduction(mute)) == ({}, "")
