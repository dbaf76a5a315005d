"""The examination of a finished client model: every attack, and the verdict."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor, nn

from strategies.common import seeds
from strategies.common.round import Picture
from strategies.mocosfl.taressfl.verdict import Verdict
from taressfl import informed
from taressfl.attack import attack
from taressfl.decoder import Decoder
from taressfl.gate import judge, side_by_side
from taressfl.informed import Evidence
from taressfl.intercept import Codec, Pairs, intercept
from taressfl.refinement import refine
from taressfl.settings import AttackSettings

PICTURES = 8
# Numbers of latents that are held at once: 512 MiB of float32.
_MOST_NUMBERS = 2**27


@final
@dataclass(frozen=True)
class Exhibits:
    """Raw images (samples, channels, height, width), and the decoders in the server's hands.

    Attributes
    ----------
    known : Tensor
        Images like the clients' own that every attacker knows, at least two.
    unseen : Tensor
        Others of the same kind on which attackers are tested, at least one.
    others : Tensor
        All other images that the server holds; may hold none.
    decoders : tuple[Decoder, ...]
        What the client model was trained against; may hold none.
    """

    known: Tensor
    unseen: Tensor
    others: Tensor
    decoders: tuple[Decoder, ...]


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
    exhibits: Exhibits,
    codec: Codec,
    settings: AttackSettings,
    seed: int,
    device: torch.device,
    told: Callable[[], None],
) -> Examination:
    """Attack a client model with all that the server has, refine the best, and judge.

    Fresh decoders learn from the known images, and every attacker of ``informed.py`` from all
    images. Where latents are so large that those of all images do not fit into memory, some
    of the others are drawn; each attacker's name says how many images it learnt from.

    Parameters
    ----------
    front : nn.Module
        Client model on ``device``.
    exhibits : Exhibits
        What attackers learn from, and what they are tested on.
    codec : Codec
        How latents travel.
    settings : AttackSettings
        Which attacks.
    seed : int
        Root of the attackers' seeds.
    device : torch.device
        Where to compute.
    told : Callable[[], None]
        Called :func:`turns` times, for as many decoders.

    Raises
    ------
    DataError
        If too few images are known, or the inputs are no images.
    """
    known = intercept(front, exhibits.known, codec, device)
    unseen = intercept(front, exhibits.unseen, codec, device)
    outcomes = list(attack(known, unseen, settings, seed, told))
    chosen = exhibits.others[_rows(len(exhibits.others), known, seed)]
    others = intercept(front, chosen, codec, device) if len(chosen) else _none_of(known)
    evidence = Evidence(known, others, exhibits.decoders)
    outcomes += informed.attack(evidence, unseen, settings, seed, told)
    best = min(outcomes, key=lambda outcome: outcome.quality.mse)
    if settings.refinement_steps:
        outcomes.append(refine(front, unseen, best, settings.refinement_steps, told))
        best = min(best, outcomes[-1], key=lambda outcome: outcome.quality.mse)
    return Examination(
        judge(outcomes, known, unseen, settings.threshold), side_by_side(unseen, best, PICTURES)
    )


def turns(settings: AttackSettings, num_decoders: int) -> int:
    """Return how many epochs and steps an examination takes, for a progress bar."""
    fresh = len(settings.decoder_shapes) * settings.repetitions * settings.epochs
    return fresh + informed.turns(settings, num_decoders) + settings.refinement_steps


def _rows(count: int, known: Pairs, seed: int) -> Tensor:
    """Choose as many of the others as fit into memory beside the known ones."""
    fitting = max(0, _MOST_NUMBERS // known.latents[0].numel() - len(known))
    if count <= fitting:
        return torch.arange(count)
    order = torch.randperm(count, generator=seeds.generator(seed, "informed-images"))
    return order[:fitting].sort().values


def _none_of(known: Pairs) -> Pairs:
    return Pairs(known.latents[:0], known.images[:0])
