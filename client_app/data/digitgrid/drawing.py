"""Drawing grids at random, each with a question that it can answer."""

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from client_app.data.digitgrid.grids import COLOURS, PLACES, Grids
from client_app.data.digitgrid.handwriting import Handwriting, Portion
from client_app.data.digitgrid.questions import Asked, Kind

CELLS = len(PLACES)

# How many numbers in [0, 1) each part of a sample takes.
_DRAWS = {
    "kind": 1,
    "place": 1,
    "other": 1,
    "colour": 1,
    "coloured": 1,
    "order": CELLS,
    "background": CELLS,
    "digits": CELLS,
    "handwriting": CELLS,
}


@final
@dataclass(frozen=True)
class Drawn:
    """Pictures before they are painted, and what is asked of each."""

    grids: Grids
    asked: Asked


def draw(
    sheet: Handwriting,
    portion: Portion,
    kind: Kind | None,
    count: int,
    generator: torch.Generator,
) -> Drawn:
    """Draw grids and questions; the first ones are the same however many are asked for.

    Kinds, places, colours and counts are uniform, and so is what each digit reads. The grid
    fits its question: where cells of a colour are counted, 1 to 4 have it with equal
    chances; where a colour stands for a digit, one cell has it; the two digits that are
    compared differ, and either may be the larger. So within a kind no answer is much more
    frequent than another.

    Parameters
    ----------
    sheet : Handwriting
        All handwritten digits.
    portion : Portion
        Which of them may be used.
    kind : Kind | None
        Kind of all questions; ``None`` mixes the five.
    count : int
        Pictures to draw.
    generator : torch.Generator
        Source of everything random, on the CPU.
    """
    numbers = torch.rand(count, sum(_DRAWS.values()), generator=generator, dtype=torch.float64)
    part = dict(zip(_DRAWS, torch.split(numbers, list(_DRAWS.values()), dim=1), strict=True))
    kinds = _below(len(Kind), part["kind"][:, 0])
    if kind is not None:
        kinds = torch.full_like(kinds, kind)
    places = _below(CELLS, part["place"][:, 0])
    others = _another(places, CELLS, part["other"][:, 0])
    asked = Asked(kinds, places, others, _below(len(COLOURS), part["colour"][:, 0]))
    digits = _digits(asked, part["digits"])
    grids = Grids(
        digits, _colours(asked, part), _handwriting(sheet, portion, digits, part["handwriting"])
    )
    return Drawn(grids, asked)


def _digits(asked: Asked, numbers: Tensor) -> Tensor:
    digits = _below(10, numbers)
    row = torch.arange(len(digits))
    compared = asked.kinds == Kind.LOGIC
    differs = _another(digits[row, asked.places], 10, numbers[row, asked.others])
    digits[row[compared], asked.others[compared]] = differs[compared]
    return digits


def _colours(asked: Asked, part: dict[str, Tensor]) -> Tensor:
    unconstrained = _below(len(COLOURS), part["background"])
    wanted = asked.colours.unsqueeze(1).expand_as(unconstrained)
    how_many = 1 + _below(CELLS, part["coloured"])
    how_many[asked.kinds == Kind.RELATION] = 1
    has_it = part["order"].argsort(dim=1).argsort(dim=1) < how_many
    placed = torch.where(has_it, wanted, _another(wanted, len(COLOURS), part["background"]))
    constrained = (asked.kinds == Kind.COUNT) | (asked.kinds == Kind.RELATION)
    return torch.where(constrained.unsqueeze(1), placed, unconstrained)


def _handwriting(sheet: Handwriting, portion: Portion, digits: Tensor, numbers: Tensor) -> Tensor:
    # Sorted by what they read, so those that read the same lie next to each other.
    rows = sheet.rows(portion)
    counts = sheet.digits[rows].bincount(minlength=10)
    starts = counts.cumsum(0) - counts
    return rows[starts[digits] + (numbers * counts[digits]).to(torch.int64)]


def _below(limit: int, numbers: Tensor) -> Tensor:
    return (numbers * limit).to(torch.int64)


def _another(taken: Tensor, limit: int, numbers: Tensor) -> Tensor:
    return (taken + 1 + _below(limit - 1, numbers)) % limit
