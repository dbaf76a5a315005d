"""The gate: whether a client model may be called resistant, by attackers with all there is.

Nothing that was measured during training comes in here. In the authors' logs a client model
with a similarity of 0.52 against the decoder it was trained with is read by a fresh one with
0.85.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from strategies.common.round import Picture
from strategies.mocosfl.taressfl.verdict import Finding, Verdict
from taressfl.attack import Outcome
from taressfl.intercept import Pairs
from taressfl.quality import measure

# Columns of grey between an image and its reconstruction.
_GAP = 2
_GREY = 128


def judge(outcomes: Sequence[Outcome], known: Pairs, unseen: Pairs, threshold: float) -> Verdict:
    """Judge a client model by all attacks on it.

    Parameters
    ----------
    outcomes : Sequence[Outcome]
        At least one.
    known, unseen : Pairs
        What the attackers knew, and what they were tested on.
    threshold : float
        MSE that no attacker may come down to; 0.020 in the paper.
    """
    guess = known.images.mean(0, keepdim=True).expand_as(unseen.images)
    return Verdict(
        findings=tuple(Finding(outcome.attacker, outcome.quality) for outcome in outcomes),
        blind=measure(guess, unseen.images),
        threshold=threshold,
        informed=True,
    )


def side_by_side(unseen: Pairs, outcome: Outcome, count: int) -> tuple[Picture, ...]:
    """Draw the first images, each on the left, with their reconstructions on the right.

    Parameters
    ----------
    unseen : Pairs
        What was attacked.
    outcome : Outcome
        The attack to show, usually the worst.
    count : int
        Pictures at most.

    Returns
    -------
    tuple[Picture, ...]
        ``"inversion-0"`` and so on, each (3, height, 2 width + 2) uint8 with a grey line
        between.
    """
    originals = _in_colour(unseen.images[:count].cpu())
    found = _in_colour(outcome.images[:count])
    line = torch.full((*found.shape[:3], _GAP), _GREY, dtype=torch.uint8)
    rows = torch.cat([originals, line, found], 3)
    return tuple(Picture(f"inversion-{number}", row) for number, row in enumerate(rows))


def _in_colour(images: Tensor) -> Tensor:
    """Return (samples, 3, height, width) uint8; of other than 3 channels the mean is shown."""
    if images.shape[1] != 3:
        images = images.mean(1, keepdim=True)
    return images.mul(255).round().to(torch.uint8).expand(-1, 3, -1, -1)
