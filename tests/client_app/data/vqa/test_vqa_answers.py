import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from client_app.data.vqa.answers import most_frequent, normalise, soft_scores


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("Yes", "yes"),
        ("  yes. ", "yes"),
        ("yes!", "yes"),
        ("A red Car", "red car"),
        ("on the\ttable\n", "on table"),
        ("two", "2"),
        ("ten dogs", "10 dogs"),
        ("none", "0"),
        # A number word is a whole word.
        ("someone", "someone"),
        ("red-and-white", "red and white"),
        ("black/white", "black white"),
        ("1,000", "1000"),
        ("salt,pepper", "salt pepper"),
        ("1, 2", "1 2"),
        ("3.5", "3.5"),
        ("u.s.a.", "usa"),
        ("2:50 PM", "2:50 pm"),
        ("girl's", "girl's"),
        ("'quoted'", "quoted"),
        ("time:", "time"),
        ("what?", "what"),
        ("50%", "50"),
        ("an apple, the pear", "apple pear"),
        # Articles only as words of their own.
        ("banana", "banana"),
        ("the", ""),
        ("...", ""),
        ("", ""),
        ("ÄPFEL", "äpfel"),
    ],
)
def test_normalising_by_hand(answer: str, expected: str) -> None:
    assert normalise(answer) == expected


@settings(deadline=None)
@given(st.text(alphabet="aAtheon1 5.,:'!-/\n", max_size=20))
def test_normalising_twice_changes_nothing(answer: str) -> None:
    once = normalise(answer)
    assert normalise(once) == once
    assert once == once.strip()
    assert "  " not in once


@pytest.mark.parametrize(("count", "score"), [(1, 0.3), (2, 0.6), (3, 0.9), (4, 1.0), (10, 1.0)])
def test_ten_annotators(count: int, score: float) -> None:
    annotated = ["red"] * count + [f"other {k}" for k in range(10 - count)]
    scores = soft_scores(annotated)
    assert scores["red"] == score
    assert all(value == 0.3 for answer, value in scores.items() if answer != "red")
    assert len(scores) == 11 - count


@settings(deadline=None)
@given(st.integers(1, 10))
def test_ten_annotators_as_the_challenge_computes_it(count: int) -> None:
    # min(named by others / 3, 1), averaged over leaving each of the ten annotators out.
    left_out = count * min((count - 1) / 3, 1) + (10 - count) * min(count / 3, 1)
    annotated = ["red"] * count + ["blue"] * (10 - count)
    assert soft_scores(annotated)["red"] == pytest.approx(left_out / 10)


@pytest.mark.parametrize(
    ("annotated", "expected"),
    [
        (["red"], {"red": 1.0}),
        (["red", "pink"], {"red": 0.5, "pink": 0.5}),
        (["red", "pink", "red"], {"red": 2 / 3, "pink": 1 / 3}),
        (["red"] * 4, {"red": 1.0}),
        (["red", "red", "pink", "blue"], {"red": 0.6, "pink": 0.3, "blue": 0.3}),
        # An annotator who said nothing still counts as one.
        (["red", ""], {"red": 0.5}),
        (["red", "red", "", ""], {"red": 0.6}),
        ([""], {}),
        ([], {}),
    ],
)
def test_few_annotators(annotated: list[str], expected: dict[str, float]) -> None:
    assert soft_scores(annotated) == pytest.approx(expected)


def test_the_most_frequent_first_and_ties_in_alphabetical_order() -> None:
    annotated = [["yes", "yes", "no"], ["blue", ""], ["no", "red"], ["yes"]]
    # yes 3, no 2, blue 1, red 1
    assert most_frequent(annotated, 10) == ("yes", "no", "blue", "red")
    assert most_frequent(annotated, 3) == ("yes", "no", "blue")
    assert most_frequent([[""], []], 5) == ()
