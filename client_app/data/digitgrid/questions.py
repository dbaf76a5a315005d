"""Five kinds of questions on a grid: their words and their answers."""

from dataclasses import dataclass
from enum import IntEnum
from typing import final

import torch
from torch import Tensor

from client_app.data.digitgrid.grids import COLOURS, PLACES, Grids

DIGITS = tuple(str(digit) for digit in range(10))
VERDICTS = ("no", "yes")

_PHRASES = ("what", "is", "at", "top", "bottom", "left", "right", "how", "many", "larger", "than")

# All words of questions, answers and captions; "?" and "," are words of their own.
WORDS = (*DIGITS, *COLOURS, *VERDICTS, *_PHRASES, "digit", "colour", "?", ",")


@final
class Kind(IntEnum):
    """What is asked; the example stands for all places and colours."""

    OBJECT = 0  # what digit is at top left ?
    ATTRIBUTE = 1  # what colour is at bottom right ?
    COUNT = 2  # how many is red ?
    RELATION = 3  # what digit is red ?
    LOGIC = 4  # is top left larger than bottom right ?


# Every answer that a question of a kind can have; counted colours are always there.
ANSWERS = {
    Kind.OBJECT: DIGITS,
    Kind.ATTRIBUTE: COLOURS,
    Kind.COUNT: DIGITS[1:5],
    Kind.RELATION: DIGITS,
    Kind.LOGIC: VERDICTS,
}


@final
@dataclass(frozen=True)
class Asked:
    """One question for each picture.

    Attributes
    ----------
    kinds : Tensor
        (pictures,) int64 values of :class:`Kind`.
    places, others : Tensor
        (pictures,) int64, two different positions in ``PLACES``; ``others`` serves
        ``LOGIC`` alone.
    colours : Tensor
        (pictures,) int64, positions in ``COLOURS``; serve ``COUNT`` and ``RELATION``.
    """

    kinds: Tensor
    places: Tensor
    others: Tensor
    colours: Tensor


def wording(asked: Asked) -> tuple[str, ...]:
    """Return the questions in words, separated by single blanks.

    Examples
    --------
    >>> one = torch.tensor([1])
    >>> wording(Asked(torch.tensor([Kind.LOGIC]), one, one + 2, one))
    ('is top right larger than bottom right ?',)
    """
    columns = (asked.kinds, asked.places, asked.others, asked.colours)
    return tuple(_words(*row) for row in torch.stack(columns, dim=1).tolist())


def answers(grids: Grids, asked: Asked) -> tuple[str, ...]:
    """Return the right answers, one word each.

    ``RELATION`` expects the colour in exactly one cell, ``COUNT`` in at least one, and
    ``LOGIC`` two digits that differ.
    """
    row = torch.arange(len(grids))
    here, there = grids.digits[row, asked.places], grids.digits[row, asked.others]
    coloured = grids.colours == asked.colours.unsqueeze(1)
    found = {
        Kind.OBJECT: here,
        Kind.ATTRIBUTE: grids.colours[row, asked.places],
        Kind.COUNT: coloured.sum(dim=1) - 1,
        Kind.RELATION: (grids.digits * coloured).sum(dim=1),
        Kind.LOGIC: (here > there).to(torch.int64),
    }
    positions = torch.stack([found[kind] for kind in Kind], dim=1)[row, asked.kinds]
    pairs = zip(asked.kinds.tolist(), positions.tolist(), strict=True)
    return tuple(ANSWERS[Kind(kind)][position] for kind, position in pairs)


def _words(kind: int, place: int, other: int, colour: int) -> str:
    if kind == Kind.OBJECT:
        return f"what digit is at {PLACES[place]} ?"
    if kind == Kind.ATTRIBUTE:
        return f"what colour is at {PLACES[place]} ?"
    if kind == Kind.COUNT:
        return f"how many is {COLOURS[colour]} ?"
    if kind == Kind.RELATION:
        return f"what digit is {COLOURS[colour]} ?"
    return f"is {PLACES[place]} larger than {PLACES[other]} ?"
