"""Clean pictures with captions and questions, to pretrain a foundation model on."""

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from client_app.data.digitgrid import drawing, painting, questions
from client_app.data.digitgrid.grids import COLOURS, PLACES, Grids
from client_app.data.digitgrid.handwriting import Handwriting, Portion


@final
@dataclass(frozen=True)
class Batch:
    """Pictures with words on them.

    Attributes
    ----------
    images : Tensor
        (pictures, 3, 32, 32) uint8.
    captions : tuple[str, ...]
        Two cells of each picture in eleven words, e.g. ``"red 3 at top left , blue 7 at
        bottom right"``.
    questions, answers : tuple[str, ...]
        A question on each picture, the kinds mixed, and its answer in one word.
    """

    images: Tensor
    captions: tuple[str, ...]
    questions: tuple[str, ...]
    answers: tuple[str, ...]


def draw(
    sheet: Handwriting,
    count: int,
    generator: torch.Generator,
    *,
    portion: Portion = Portion.PRETRAINING,
) -> Batch:
    """Draw a batch for masked captions and cloze questions.

    Parameters
    ----------
    sheet : Handwriting
        All handwritten digits.
    count : int
        Pictures.
    generator : torch.Generator
        Source of everything random, on the CPU.
    portion : Portion
        Handwriting to paint with; another than pretraining's measures what was learned.
    """
    drawn = drawing.draw(sheet, portion, None, count, generator)
    return Batch(
        images=painting.paint(drawn.grids, sheet),
        captions=_captions(drawn.grids, generator),
        questions=questions.wording(drawn.asked),
        answers=questions.answers(drawn.grids, drawn.asked),
    )


def _captions(grids: Grids, generator: torch.Generator) -> tuple[str, ...]:
    order = torch.rand(len(grids), len(PLACES), generator=generator).argsort(dim=1)
    cells = zip(order.tolist(), grids.colours.tolist(), grids.digits.tolist(), strict=True)
    return tuple(
        " , ".join(f"{COLOURS[colours[p]]} {digits[p]} at {PLACES[p]}" for p in places[:2])
        for places, colours, digits in cells
    )
