"""Whether the feature transformer learnt, in numbers and in words.

FedKTL transfers nothing useful where prototypes miss the generator's latent space or all
fall onto one place in it, and accuracy alone does not show that.
"""

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from strategies.fedktl.alignment import AlignmentLosses
from strategies.fedktl.discrepancy import Bandwidths, mean_kernel

# Valid latents that are compared with the centroids.
COMPARED_LATENTS = 128

_FAR_LENGTH = 0.5
_CLOSE_SEPARATION = 0.25
_FAR_MMD = 2.0
_STANDSTILL = 0.95
# Of at most 4; the authors' bandwidths give 0.33 between unit-variance latents of width 64,
# and 4e-5 at width 512, where nothing is learnt.
_BLIND_KERNEL = 1e-3


@final
@dataclass(frozen=True)
class Diagnosis:
    """What a round's alignment came to.

    Attributes
    ----------
    numbers : dict[str, float]
        ``mmd_first``, ``mmd_last``, ``mse_first``, ``mse_last``: losses of the first and
        last epoch. ``mmd_reference``: what one valid latent per class would score.
        ``centroid_norm``, ``latent_norm``: mean lengths of the centroids and of valid
        latents. ``centroid_separation``, ``latent_separation``: mean distances between two
        of them. ``classes``: number of centroids. ``aligned_norm``: mean length of the
        centroids before projection, where that is on.
    notes : tuple[str, ...]
        One sentence for each thing that is wrong.
    """

    numbers: dict[str, float]
    notes: tuple[str, ...]


def diagnose(
    losses: AlignmentLosses,
    centroids: Tensor,
    latents: Tensor,
    kind: Bandwidths,
    batch: int,
    *,
    projected: Tensor | None = None,
) -> Diagnosis:
    """Compare the centroids with valid latents.

    Parameters
    ----------
    losses : AlignmentLosses
        Of this round.
    centroids : Tensor
        (classes, latent) as the transformer made them.
    latents : Tensor
        (count, latent) valid latents, at least two.
    kind : Bandwidths
        Kernel that was trained with.
    batch : int
        Prototypes per step.
    projected : Tensor | None
        (classes, latent) the centroids after projection; ``None`` where there is none.
    """
    classes = len(centroids)
    drawn = centroids if projected is None else projected
    kernel = mean_kernel(latents, kind)
    numbers = {
        "mmd_first": losses.first_mmd,
        "mmd_last": losses.last_mmd,
        "mse_first": losses.first_mse,
        "mse_last": losses.last_mse,
        # The bias of the statistic: a point is paired with itself once in so many pairs.
        "mmd_reference": (1 / classes + 1 / batch) * (4 - kernel),
        "centroid_norm": drawn.norm(dim=1).mean().item(),
        "latent_norm": latents.norm(dim=1).mean().item(),
        "centroid_separation": _separation(drawn),
        "latent_separation": _separation(latents),
        "classes": float(classes),
    }
    if projected is not None:
        numbers["aligned_norm"] = centroids.norm(dim=1).mean().item()
    return Diagnosis(numbers, _notes(numbers, kernel, kind))


def _separation(points: Tensor) -> float:
    return torch.pdist(points).mean().item() if len(points) > 1 else 0.0


def _notes(numbers: dict[str, float], kernel: float, kind: Bandwidths) -> tuple[str, ...]:
    notes = []
    first, last = numbers["mmd_first"], numbers["mmd_last"]
    if kernel < _BLIND_KERNEL:
        notes.append(
            f"the bandwidths {kind!r} are too small for this generator's latents: valid latents "
            f"look unrelated to each other and the transformer learns nothing from them; set "
            f"fedktl.mmd-bandwidths=median"
        )
    elif last > _FAR_MMD * numbers["mmd_reference"] and last > _STANDSTILL * first:
        notes.append(
            f"the feature transformer did not learn: its distance from valid latents (mmd) went "
            f"from {first:.3g} to {last:.3g} where {numbers['mmd_reference']:.3g} is within "
            f"reach; change fedktl.server-learning-rate or raise fedktl.server-epochs"
        )
    length = numbers["centroid_norm"] / max(numbers["latent_norm"], 1e-12)
    if abs(length - 1) > _FAR_LENGTH:
        advice = (
            "lower fedktl.server-learning-rate"
            if length > 1
            else "that passes when clients have learnt to tell classes apart; if it stays, raise "
            "fedktl.server-epochs or fedktl.server-learning-rate"
        )
        notes.append(
            f"latent centroids have {length:.0%} of the length of valid latents, so that the "
            f"generator draws what it was not made for; {advice}"
        )
    spread = numbers["centroid_separation"] / max(numbers["latent_separation"], 1e-12)
    if numbers["classes"] > 1 and spread < _CLOSE_SEPARATION:
        notes.append(
            f"latent centroids of different classes are only {spread:.0%} as far apart as valid "
            f"latents, so that all classes get nearly one image; that passes when clients have "
            f"learnt to tell classes apart; if it stays, raise fedktl.server-epochs or "
            f"local-epochs"
        )
    return tuple(notes)
