"""Questions with annotators' answers, whose pictures are read on demand."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from client_app.data.collection import Reading
from client_app.data.vqa.answers import normalise


@final
@dataclass(frozen=True)
class Asked:
    """Questions of one source.

    Attributes
    ----------
    questions : tuple[str, ...]
        One per row, stripped.
    answers : tuple[tuple[str, ...], ...]
        Normalised answers to each, one per annotator; at least one of them is not empty.
    read : Callable[[Tensor, int], Reading]
        Reads the pictures of ascending rows as colour images, resized to a side in pixels.
    notes : tuple[str, ...]
        Questions that the source has and that cannot be used, in plain sentences.
    pictures : tuple[str, ...]
        What the picture of each question is called; empty where pictures have no names.
    """

    questions: tuple[str, ...]
    answers: tuple[tuple[str, ...], ...]
    read: Callable[[Tensor, int], Reading]
    notes: tuple[str, ...] = ()
    pictures: tuple[str, ...] = ()

    def __len__(self) -> int:
        """Return the number of questions."""
        return len(self.questions)

    def picture(self, row: int) -> str:
        """Return what a question's picture is called, or the question where it has no name."""
        return self.pictures[row] if self.pictures else self.questions[row]

    def first_words(self) -> Tensor:
        """Return what each question begins with, e.g. what, is or how, as a number.

        The nearest thing to a class before any client has a list of answers: by it
        questions can be dealt to unlike clients, and a client's be split.

        Returns
        -------
        Tensor
            (questions,) int64, positions in the sorted first words.
        """
        words = [question.lower().split()[0] for question in self.questions]
        position = {word: label for label, word in enumerate(sorted(set(words)))}
        return torch.tensor([position[word] for word in words], dtype=torch.int64)


def gather(
    questions: Sequence[str],
    answers: Sequence[Sequence[str]],
    read: Callable[[Tensor, int], Reading],
    where: str,
    pictures: Sequence[str] = (),
) -> Asked:
    """Normalise a source's answers, and leave out questions that have none.

    Parts of public data are published without answers, as tasks for a challenge.

    Parameters
    ----------
    questions : Sequence[str]
        As the source has them.
    answers : Sequence[Sequence[str]]
        Answers to each, as the annotators gave them.
    read : Callable[[Tensor, int], Reading]
        Reads the pictures of the source's own rows.
    where : str
        Names the source in the note.
    pictures : Sequence[str]
        What the picture of each question is called, where it has a name.
    """
    normalised = [tuple(normalise(answer) for answer in given) for given in answers]
    usable = [
        row
        for row, (question, given) in enumerate(zip(questions, normalised, strict=True))
        if question.strip() and any(given)
    ]
    rows_of_source = torch.tensor(usable, dtype=torch.int64)
    missing = len(questions) - len(usable)
    left_out = f"{where}: {missing} of {len(questions)} questions have no answer and are left out"
    return Asked(
        questions=tuple(questions[row].strip() for row in usable),
        answers=tuple(normalised[row] for row in usable),
        read=lambda rows, image_size: read(rows_of_source[rows], image_size),
        notes=(left_out,) if missing else (),
        pictures=tuple(pictures[row] for row in usable) if pictures else (),
    )
