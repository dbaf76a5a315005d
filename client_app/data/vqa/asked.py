"""Questions with annotators' answers, whose pictures are read on demand."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from client_app.data.collection import Reading
from client_app.data.left_out import reasons, told
from client_app.data.vqa.answers import normalise
from client_app.data.vqa.entry import Entry
from strategies.common.errors import DataError


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
    digests : Callable[[Tensor], list[str]] | None
        Tells what the pictures of ascending rows show, equal for exact copies; ``None`` where
        names alone tell pictures apart.
    """

    questions: tuple[str, ...]
    answers: tuple[tuple[str, ...], ...]
    read: Callable[[Tensor, int], Reading]
    notes: tuple[str, ...] = ()
    pictures: tuple[str, ...] = ()
    digests: Callable[[Tensor], list[str]] | None = None

    def __len__(self) -> int:
        """Return the number of questions."""
        return len(self.questions)

    def picture(self, row: int) -> str:
        """Return what a question's picture is called, or the question where it has no name."""
        return self.pictures[row] if self.pictures else self.questions[row]

    def shown(self, rows: Tensor) -> list[str]:
        """Return what the pictures of ascending rows show: questions about equal ones are kin."""
        if self.digests is not None:
            return self.digests(rows)
        return [self.picture(row) if self.pictures else f"row {row}" for row in rows.tolist()]

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


def reckoned(entries: Iterable[Entry]) -> dict[str, list[str]]:
    """Return the places of the entries that cannot be used, by reason."""
    found: dict[str, list[str]] = {}
    for each in entries:
        if each.reason:
            found.setdefault(each.reason, []).append(each.place)
    return found


def gather(
    entries: Sequence[Entry],
    read: Callable[[Tensor, int], Reading],
    where: str,
    digests: Callable[[Tensor], list[str]] | None = None,
) -> Asked:
    """Normalise a source's answers, and leave out what cannot be used, counted by reason.

    Parts of public data are published without answers, as tasks for a challenge.

    Parameters
    ----------
    entries : Sequence[Entry]
        As the source has them.
    read : Callable[[Tensor, int], Reading]
        Reads the pictures of the source's own rows.
    where : str
        Names the source in the note.
    digests : Callable[[Tensor], list[str]] | None
        Tells what the pictures of the source's own rows show, equal for exact copies.

    Raises
    ------
    DataError
        If none can be used, with the reasons.
    """
    left_out = reckoned(entries)
    usable = [row for row, each in enumerate(entries) if not each.reason]
    if not usable:
        raise DataError(
            f"{where}: expected questions with a picture and an answer, found "
            f"{reasons(left_out) or 'none'}"
        )
    rows_of_source = torch.tensor(usable, dtype=torch.int64)
    used = [entries[row] for row in usable]
    return Asked(
        questions=tuple(each.question.strip() for each in used),
        answers=tuple(tuple(map(normalise, each.answers)) for each in used),
        read=lambda rows, image_size: read(rows_of_source[rows], image_size),
        notes=told(where, left_out, len(entries), "questions"),
        pictures=tuple(each.picture for each in used) if used[0].picture else (),
        digests=digests and (lambda rows: digests(rows_of_source[rows])),
    )
