import pytest
import torch
from torch import Tensor

from client_app.data.collection import Reading
from client_app.data.vqa.asked import Asked, gather
from client_app.data.vqa.entry import NO_ANSWER, Entry
from client_app.data.vqa.labelled import Part, label
from strategies.common.errors import DataError


def _read(rows: Tensor, image_size: int) -> Reading:
    """Return pictures of their row's number; the third cannot be read."""
    kept = (rows != 2).nonzero().flatten()
    pixels = rows[kept].to(torch.uint8).view(-1, 1, 1, 1)
    notes = ("a picture was skipped",) if len(kept) < len(rows) else ()
    return Reading(pixels.expand(-1, 3, image_size, image_size), kept, notes)


def _asked(*answers: list[str]) -> Asked:
    entries = [
        Entry(f"row {row}", f"q{row} ?", tuple(given), reason="" if any(given) else NO_ANSWER)
        for row, given in enumerate(answers)
    ]
    return gather(entries, _read, "here")


def _all(asked: Asked) -> Part:
    return Part(asked, torch.arange(len(asked)))


# yes 5, red 2, blue 1, green 1, no 1, pink 1
TRAIN = [["yes", "Yes", "yes", "no"], ["red", "blue"], ["green"], ["yes", "pink", "RED", "yes"]]


def test_scores_labels_questions_and_pictures_by_hand() -> None:
    done = label(_all(_asked(*TRAIN)), _all(_asked(["red"])), 4, "here: client 0", num_answers=4)
    assert done.answers == ("yes", "red", "blue", "green")
    train = done.train
    # Question 2 has a picture that cannot be read.
    assert train.questions == ("q0 ?", "q1 ?", "q3 ?")
    assert train.inputs[:, 0, 0, 0].tolist() == [0, 1, 3]
    assert train.scores is not None
    assert train.scores.dtype == torch.float32
    expected = [[0.9, 0.0, 0.0, 0.0], [0.0, 0.5, 0.5, 0.0], [0.6, 0.3, 0.0, 0.0]]
    assert torch.allclose(train.scores, torch.tensor(expected))
    # A tie goes to the more frequent answer.
    assert train.labels.tolist() == [0, 1, 0]
    assert train.labels.dtype == torch.int64
    assert done.test.labels.tolist() == [1]
    assert done.notes == ("a picture was skipped",)


def test_questions_beyond_the_list_are_left_out_and_counted() -> None:
    test = _asked(["red"], ["violet"], ["violet"], ["yes", "violet"])
    done = label(_all(_asked(*TRAIN)), _all(test), 4, "client 0", num_answers=2)
    assert done.answers == ("yes", "red")
    assert done.train.questions == ("q0 ?", "q1 ?", "q3 ?")
    assert done.test.questions == ("q0 ?", "q3 ?")
    assert done.test.scores is not None
    assert done.test.scores.tolist() == [[0.0, 1.0], [0.5, 0.0]]
    assert done.notes == (
        "client 0, training: 1 of 4 questions have no answer among the client's 2 and are left out",
        "client 0, test: 2 of 4 questions have no answer among the client's 2 and are left out",
    )


def test_the_list_is_of_training_data_and_of_the_clients_rows_alone() -> None:
    asked = _asked(["a1"], ["b1"], ["c1"], ["d1"], ["b1"])
    done = label(
        Part(asked, torch.tensor([1, 3])), Part(asked, torch.tensor([0, 4])), 4, "client 0", 100
    )
    assert done.answers == ("b1", "d1")
    assert done.train.inputs[:, 0, 0, 0].tolist() == [1, 3]
    assert done.test.questions == ("q4 ?",)


def test_nothing_left_to_test_on() -> None:
    done = label(_all(_asked(["a1"])), _all(_asked(["b1"])), 4, "client 0", 100)
    assert len(done.test) == 0
    assert done.test.inputs.shape == (0, 3, 4, 4)


def test_notes_of_one_source_are_told_once() -> None:
    asked = _asked(["a1"], ["a1"], ["x"], [""])
    done = label(Part(asked, torch.tensor([0])), Part(asked, torch.tensor([1])), 4, "client 0", 100)
    assert done.notes == ("here: 1 of 4 questions left out: 1 without an answer (row 3)",)


def test_a_client_without_answers_is_refused() -> None:
    asked = _asked(["x"])
    nothing = Part(asked, torch.tensor([], dtype=torch.int64))
    with pytest.raises(DataError, match=r"client 3: expected questions with answers to train on"):
        label(nothing, _all(asked), 4, "client 3", 100)
