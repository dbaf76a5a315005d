from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from client_app.data.collection import Reading
from client_app.data.vqa import entry
from client_app.data.vqa.asked import Asked
from client_app.data.vqa.asked import gather as gather_entries
from client_app.data.vqa.entry import Fields
from strategies.common.errors import DataError


def _read(rows: Tensor, image_size: int) -> Reading:
    # The picture of a row is filled with the row's number.
    pixels = rows.to(torch.uint8).view(-1, 1, 1, 1).expand(-1, 3, image_size, image_size)
    return Reading(pixels, torch.arange(len(rows)))


def gather(
    questions: list[str],
    answers: list[list[str]],
    read: Callable[[Tensor, int], Reading],
    where: str,
) -> Asked:
    named = Fields(question="question", answer="answers")
    rows = zip(questions, answers, strict=True)
    entries = [
        entry.entry({"question": question, "answers": given}, named, f"row {number}")
        for number, (question, given) in enumerate(rows)
    ]
    return gather_entries(entries, read, where)


def test_questions_without_answers_are_left_out_and_counted() -> None:
    asked = gather(
        [" What is it? ", "Is it?", "  ", "How?"], [["A cat"], ["", "the"], ["x"], ["", "Well!"]],
        _read, "here",
    )  # fmt: skip
    assert asked.questions == ("What is it?", "How?")
    assert asked.answers == (("cat",), ("", "well"))
    assert len(asked) == 2
    assert asked.notes == (
        "here: 2 of 4 questions left out: 1 without an answer (row 1), "
        "1 without a question (row 2)",
    )


def test_where_none_can_be_used_the_error_says_why() -> None:
    with pytest.raises(DataError, match=r"here: .*found 2 without an answer \(row 0, row 1\)"):
        gather(["a", "b"], [[], ["the"]], _read, "here")


def test_pictures_are_those_of_the_rows_that_stay() -> None:
    asked = gather(["a", "b", "c", "d"], [[""], ["x"], [""], ["y"]], _read, "here")
    assert asked.read(torch.tensor([0, 1]), 2).inputs[:, 0, 0, 0].tolist() == [1, 3]
    assert asked.read(torch.tensor([1]), 2).inputs[:, 0, 0, 0].tolist() == [3]


def test_nothing_is_noted_where_all_stay() -> None:
    assert gather(["a"], [["x"]], _read, "here").notes == ()


def test_first_words() -> None:
    questions = ["What is it?", "is it red?", "what else?", "How many?"]
    asked = gather(questions, [["x"]] * 4, _read, "here")
    # how, is, what
    assert asked.first_words().tolist() == [2, 1, 2, 0]
