import pytest

from client_app.data.vqa import entry
from client_app.data.vqa.entry import Fields


def _answers(value: object, name: str = "answer", **more: object) -> tuple[str, ...] | str:
    row = {"q": "what?", name: value, **more}
    named = Fields(question="q", answer=name, choices="choices" if "choices" in more else "")
    found = entry.entry(row, named, "row 0")
    return found.reason or found.answers


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("A cup", ("A cup",)),
        (0, ("0",)),
        (-3, ("minus 3",)),
        (1000.0, ("1000",)),
        (float("nan"), entry.NO_ANSWER),
        (False, ("no",)),
        ({"answer": "mug"}, ("mug",)),
        (["x", "y"], ("x", "y")),
        ("the", entry.NO_ANSWER),
        ("[x]", ("[x]",)),
    ],
)
def test_values_of_one_answer(value: object, expected: object) -> None:
    assert _answers(value) == expected


def test_lists_written_as_text_are_lists_where_lists_belong() -> None:
    assert _answers("['a b', 'c']", "direct_answers") == ("a b", "c")
    assert _answers('["it\'s", "c"]', "answers") == ("it's", "c")
    assert _answers("[red", "answers") == ("[red",)
    assert _answers("__import__('os')", "answers") == ("__import__('os')",)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1, ("dog",)),
        ("dog", ("dog",)),
        ("B", ("dog",)),
        # Which place a number in text means is not certain.
        ("1", entry.NO_CHOICE),
        (2, entry.NO_CHOICE),
        (-1, entry.NO_CHOICE),
        ("bird", entry.NO_CHOICE),
    ],
)
def test_choices_are_meant_by_text_place_or_letter(value: object, expected: object) -> None:
    assert _answers(value, choices=["cat", "dog"]) == expected
    assert _answers(value, "correct_choice_idx", choices=["cat", "dog"]) == expected


def test_a_label_needs_names_for_its_numbers() -> None:
    assert _answers(1, "label") == entry.NO_NAME
    named = Fields(question="q", answer="label", categories=("cat", "dog"))
    for value, expected in ((1, ("dog",)), (0, ("cat",))):
        assert entry.entry({"q": "?!", "label": value}, named, "here").answers == expected
    for value in (-1, 2):
        assert entry.entry({"q": "?!", "label": value}, named, "here").reason == entry.NO_ANSWER
