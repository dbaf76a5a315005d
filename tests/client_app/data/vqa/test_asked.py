import torch
from torch import Tensor

from client_app.data.collection import Reading
from client_app.data.vqa.asked import gather


def _read(rows: Tensor, image_size: int) -> Reading:
    # The picture of a row is filled with the row's number.
    pixels = rows.to(torch.uint8).view(-1, 1, 1, 1).expand(-1, 3, image_size, image_size)
    return Reading(pixels, torch.arange(len(rows)))


def test_questions_without_answers_are_left_out_and_counted() -> None:
    asked = gather(
        [" What is it? ", "Is it?", "  ", "How?"], [["A cat"], ["", "the"], ["x"], ["", "Well!"]],
        _read, "here",
    )  # fmt: skip
    assert asked.questions == ("What is it?", "How?")
    assert asked.answers == (("cat",), ("", "well"))
    assert len(asked) == 2
    assert asked.notes == ("here: 2 of 4 questions have no answer and are left out",)


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
