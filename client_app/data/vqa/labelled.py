"""A client's questions as samples: labels and scores by the client's own list of answers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from client_app.data.vqa.answers import most_frequent, soft_scores
from client_app.data.vqa.asked import Asked
from strategies.common.errors import DataError
from strategies.common.samples import Samples


@final
@dataclass(frozen=True)
class Part:
    """Some questions of a source.

    Attributes
    ----------
    asked : Asked
        The source.
    rows : Tensor
        (questions,) int64, ascending.
    """

    asked: Asked
    rows: Tensor


@final
@dataclass(frozen=True)
class Labelled:
    """What one client trains and tests on.

    Attributes
    ----------
    train, test : Samples
        Inputs (samples, 3, side, side) uint8, questions, scores (samples, answers) and as
        labels the answers that score highest.
    answers : tuple[str, ...]
        The client's own list, which labels and scores refer to.
    notes : tuple[str, ...]
        What was left out, in plain sentences.
    train_rows : Tensor
        (samples,) int64, the source's rows that are trained on.
    """

    train: Samples
    test: Samples
    answers: tuple[str, ...]
    notes: tuple[str, ...]
    train_rows: Tensor


def label(
    train: Part,
    test: Part,
    image_size: int,
    where: str,
    num_answers: int,
    answers: Sequence[str] = (),
) -> Labelled:
    """List the client's answers, and read and score all that can be answered from the list.

    The list is made from training data alone. A question none of whose answers is in it is
    left out, of training as of test data, as in the benchmarks of FedDAT: accuracy is that
    on questions the client has an answer for, and a note tells how many it has not.

    Parameters
    ----------
    train, test : Part
        The client's split; the two may be of one source or of two.
    image_size : int
        Side in pixels to which pictures are squeezed; 0 keeps a size that all share.
    where : str
        Names the source and the client.
    num_answers : int
        Longest list of answers, at least 1.
    answers : Sequence[str]
        The list itself, where a head was trained for it; empty makes one.

    Raises
    ------
    DataError
        If the list would be empty, or no picture can be read.
    """
    given = (train.asked.answers[row] for row in train.rows.tolist())
    answers = tuple(answers) or most_frequent(given, num_answers)
    if not answers:
        raise DataError(
            f"{where}: expected questions with answers to train on, to list the client's answers "
            f"from; found none in {len(train.rows)} questions"
        )
    sources = (train.asked,) if train.asked is test.asked else (train.asked, test.asked)
    notes = [note for source in sources for note in source.notes]
    first, rows, notes_train = _samples(train, answers, image_size, f"{where}, training")
    second, _, notes_test = _samples(test, answers, image_size, f"{where}, test")
    return Labelled(first, second, tuple(answers), (*notes, *notes_train, *notes_test), rows)


def _samples(
    part: Part, answers: Sequence[str], image_size: int, where: str
) -> tuple[Samples, Tensor, tuple[str, ...]]:
    scores = _scores([part.asked.answers[row] for row in part.rows.tolist()], answers)
    answerable = scores.amax(dim=1) > 0.0
    rows, scores = part.rows[answerable], scores[answerable]
    reading = part.asked.read(rows, image_size)
    rows, scores = rows[reading.kept], scores[reading.kept]
    asked = tuple(part.asked.questions[row] for row in rows.tolist())
    samples = Samples(reading.inputs, scores.argmax(dim=1), asked, scores)
    missing = len(part.rows) - int(answerable.sum())
    left_out = (
        f"{where}: {missing} of {len(part.rows)} questions have no answer among the client's "
        f"{len(answers)} and are left out"
    )
    return samples, rows, (*((left_out,) if missing else ()), *reading.notes)


def _scores(annotated: Sequence[Sequence[str]], answers: Sequence[str]) -> Tensor:
    position = {answer: column for column, answer in enumerate(answers)}
    scores = torch.zeros(len(annotated), len(answers))
    for row, given in enumerate(annotated):
        for answer, score in soft_scores(given).items():
            if answer in position:
                scores[row, position[answer]] = score
    return scores
