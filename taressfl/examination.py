"""The examination of a finished client model: every attack, and the verdict."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor, nn

from strategies.common.round import Picture
from strategies.mocosfl.taressfl.verdict import Verdict
from taressfl.attack import attack
from taressfl.gate import judge, side_by_side
from taressfl.intercept import Codec, intercept
from taressfl.refinement import refine
from taressfl.settings import AttackSettings

PICTURES = 8


@final
@dataclass(frozen=True)
class Examination:
    """What came of all attacks.

    Attributes
    ----------
    verdict : Verdict
        All findings.
    pictures : tuple[Picture, ...]
        At most 8 unseen images beside what the best attacker made of them.
    """

    verdict: Verdict
    pictures: tuple[Picture, ...]


def examine(
    front: nn.Module,
    inputs: tuple[Tensor, Tensor],
    codec: Codec,
    settings: AttackSettings,
    seed: int,
    device: torch.device,
    told: Callable[[], None],
) -> Examination:
    """Attack a client model with fresh decoders, refine the best, and judge.

    Parameters
    ----------
    front : nn.Module
        Client model on ``device``.
    inputs : tuple[Tensor, Tensor]
        Raw images (samples, channels, height, width) that the attackers know, at least two,
        and others on which they are tested, at least one.
    codec : Codec
        How latents travel.
    settings : AttackSettings
        Which attacks.
    seed : int
        Root of the attackers' seeds.
    device : torch.device
        Where to compute.
    told : Callable[[], None]
        Called :func:`turns` times.

    Raises
    ------
    DataError
        If too few images are known, or the inputs are no images.
    """
    known, unseen = (intercept(front, part, codec, device) for part in inputs)
    outcomes = list(attack(known, unseen, settings, seed, told))
    best = min(outcomes, key=lambda outcome: outcome.quality.mse)
    if settings.refinement_steps:
        outcomes.append(refine(front, unseen, best, settings.refinement_steps, told))
        best = min(best, outcomes[-1], key=lambda outcome: outcome.quality.mse)
    return Examination(
        judge(outcomes, known, unseen, settings.threshold), side_by_side(unseen, best, PICTURES)
    )


def turns(settings: AttackSettings) -> int:
    """Return how many epochs and steps an examination takes, for a progress bar."""
    attackers = len(settings.decoder_shapes) * settings.repetitions
    return attackers * settings.epochs + settings.refinement_steps
