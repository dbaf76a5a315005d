"""Questions and answers, against an oracle that reads the question's words alone."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from client_app.data.digitgrid import questions
from client_app.data.digitgrid.grids import Grids
from client_app.data.digitgrid.questions import Asked, Kind

RED, YELLOW, GREEN, BLUE, PURPLE = range(5)


def oracle(question: str, digits: list[int], colours: list[str]) -> str:
    """Answer a question from its words, by plain rules typed for this test."""
    where = {"top left": 0, "top right": 1, "bottom left": 2, "bottom right": 3}
    words = question.removesuffix(" ?")
    if words.startswith("what digit is at "):
        return str(digits[where[words.removeprefix("what digit is at ")]])
    if words.startswith("what colour is at "):
        return colours[where[words.removeprefix("what colour is at ")]]
    if words.startswith("how many is "):
        return str(colours.count(words.removeprefix("how many is ")))
    if words.startswith("what digit is "):
        (place,) = [i for i, c in enumerate(colours) if c == words.removeprefix("what digit is ")]
        return str(digits[place])
    here, there = words.removeprefix("is ").split(" larger than ")
    return "yes" if digits[where[here]] > digits[where[there]] else "no"


def _asked(kind: Kind, place: int = 0, other: int = 1, colour: int = RED) -> Asked:
    return Asked(*(torch.tensor([value]) for value in (kind, place, other, colour)))


def _grid(digits: list[int], colours: list[int]) -> Grids:
    return Grids(torch.tensor([digits]), torch.tensor([colours]), torch.zeros(1, 4).long())


@pytest.mark.parametrize(
    ("asked", "question", "answer"),
    [
        (_asked(Kind.OBJECT, place=0), "what digit is at top left ?", "3"),
        (_asked(Kind.OBJECT, place=3), "what digit is at bottom right ?", "0"),
        (_asked(Kind.ATTRIBUTE, place=2), "what colour is at bottom left ?", "blue"),
        (_asked(Kind.ATTRIBUTE, place=1), "what colour is at top right ?", "red"),
        (_asked(Kind.COUNT, colour=RED), "how many is red ?", "2"),
        (_asked(Kind.COUNT, colour=PURPLE), "how many is purple ?", "1"),
        (_asked(Kind.RELATION, colour=BLUE), "what digit is blue ?", "9"),
        (_asked(Kind.LOGIC, 0, 2), "is top left larger than bottom left ?", "no"),
        (_asked(Kind.LOGIC, 1, 3), "is top right larger than bottom right ?", "yes"),
    ],
)
def test_one_picture_by_hand(asked: Asked, question: str, answer: str) -> None:
    #  red 3    red 7
    #  blue 9   purple 0
    grid = _grid([3, 7, 9, 0], [RED, RED, BLUE, PURPLE])
    assert questions.wording(asked) == (question,)
    assert questions.answers(grid, asked) == (answer,)
    assert oracle(question, [3, 7, 9, 0], ["red", "red", "blue", "purple"]) == answer


def test_four_of_a_colour() -> None:
    grid = _grid([1, 2, 3, 4], [GREEN] * 4)
    assert questions.answers(grid, _asked(Kind.COUNT, colour=GREEN)) == ("4",)


@settings(deadline=None)
@given(
    digits=st.lists(st.integers(0, 9), min_size=4, max_size=4),
    colours=st.lists(st.integers(0, 4), min_size=4, max_size=4),
    kind=st.sampled_from([Kind.OBJECT, Kind.ATTRIBUTE, Kind.COUNT, Kind.LOGIC]),
    place=st.integers(0, 3),
    step=st.integers(1, 3),
)
def test_any_picture_against_the_oracle(
    digits: list[int], colours: list[int], kind: Kind, place: int, step: int
) -> None:
    asked = _asked(kind, place, (place + step) % 4, colours[place])
    (question,), (answer,) = (
        questions.wording(asked),
        questions.answers(_grid(digits, colours), asked),
    )
    names = ["red", "yellow", "green", "blue", "purple"]
    assert answer == oracle(question, digits, [names[colour] for colour in colours])


def test_the_vocabulary_is_32_words_each_once() -> None:
    # With [PAD], [UNK], [CLS], [SEP] and [MASK] that makes 37 tokens.
    assert len(questions.WORDS) == len(set(questions.WORDS)) == 32
    assert all(" " not in word and word == word.lower() for word in questions.WORDS)


def test_heads_have_ten_five_four_ten_and_two_outputs() -> None:
    assert [len(questions.ANSWERS[kind]) for kind in Kind] == [10, 5, 4, 10, 2]
    assert {word for each in questions.ANSWERS.values() for word in each} <= set(questions.WORDS)


def test_all_wordings_are_of_known_words_and_short() -> None:
    words = set()
    for kind in Kind:
        for value in range(4):
            (question,) = questions.wording(_asked(kind, value, (value + 1) % 4, value))
            words.update(question.split(" "))
            # [CLS], [SEP] and [MASK] come on top; there is room for 14 tokens.
            assert len(question.split(" ")) <= 8
    assert words <= set(questions.WORDS)
