"""The server's alignment of prototypes with the generator's latent space (step 3)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor, nn
from torch.nn import functional

from strategies.common.errors import ModelError
from strategies.common.samples import shuffled_batches
from strategies.common.update_rule import Adam, Group
from strategies.fedktl.automatic import Automatic
from strategies.fedktl.discrepancy import mmd
from strategies.fedktl.settings import FedKTLSettings, Statistics
from strategies.fedktl.transformer import FeatureTransformer

_MAX_NORM = 100.0


@final
@dataclass(frozen=True)
class Uploaded:
    """All prototypes of one round.

    Attributes
    ----------
    means : Tensor
        (prototypes, class) float32, clients one after another.
    classes : Tensor
        (present,) int64 labels that occur, ascending.
    rows : Tensor
        (prototypes,) int64 place of each prototype's label in ``classes``.
    """

    means: Tensor
    classes: Tensor
    rows: Tensor


@final
@dataclass(frozen=True)
class AlignmentLosses:
    """Mean losses over the batches of the first and the last epoch.

    Attributes
    ----------
    first_mmd, last_mmd : float
        Distribution loss (L_MMD).
    first_mse, last_mse : float
        Loss towards the class centroids (L_MSE), without its weight.
    """

    first_mmd: float
    first_mse: float
    last_mmd: float
    last_mse: float


@torch.no_grad()
def latent_centroids(
    transformer: FeatureTransformer, uploaded: Uploaded, statistics: Statistics
) -> Tensor:
    """Return the mean vector of each present class: (present, latent).

    Every client's prototype of a class weighs the same. The transformer is left in
    evaluation mode.

    Parameters
    ----------
    transformer : FeatureTransformer
        Its weights are not changed.
    uploaded : Uploaded
        The round's prototypes.
    statistics : {"round", "running"}
        Whether batch normalisation takes the statistics of these prototypes first.
    """
    if statistics == "round":
        transformer.measure(uploaded.means)
    transformer.eval()
    members = functional.one_hot(uploaded.rows, len(uploaded.classes)).T.float()
    means = members / members.sum(1, keepdim=True)
    # As a product: adding rows up in place has no fixed order on a GPU.
    centroids: Tensor = means @ transformer(uploaded.means)
    return centroids


def align(
    transformer: FeatureTransformer,
    uploaded: Uploaded,
    sample_latents: Callable[[int, torch.Generator], Tensor],
    settings: FedKTLSettings,
    chosen: Automatic,
    generator: torch.Generator,
) -> AlignmentLosses:
    """Train the transformer to send prototypes to valid latents, class by class.

    The moving centroids are approximated by a table of vectors that starts at the true
    ones and is trained along, so that a step needs one batch only.

    Parameters
    ----------
    transformer : FeatureTransformer
        Changed in place.
    uploaded : Uploaded
        The round's prototypes, at least one.
    sample_latents : Callable[[int, torch.Generator], Tensor]
        Draws valid latents (count, latent) on the transformer's device, anew for each step.
    settings : FedKTLSettings
        Epochs, batch size and statistics of the centroids.
    chosen : Automatic
        Step size, weight of the centroid loss and kernel of the distribution loss.
    generator : torch.Generator
        CPU generator of the batches' order and of the latents.

    Raises
    ------
    ModelError
        If a loss is no longer finite.
    """
    table = nn.Parameter(latent_centroids(transformer, uploaded, settings.centroid_statistics))
    adam = Adam([Group([*transformer.parameters(), table])])
    history: list[tuple[float, float]] = []
    for epoch in range(settings.server_epochs):
        batches = []
        for index in shuffled_batches(len(uploaded.rows), settings.server_batch_size, generator):
            # Batch normalisation cannot train on one row; a lone prototype uses what it
            # learnt before.
            transformer.train(mode=len(index) > 1)
            picked = index.to(uploaded.rows.device)
            vectors = transformer(uploaded.means[picked])
            latents = sample_latents(len(index), generator)
            distribution = mmd(vectors, latents, chosen.bandwidths)
            centroid = functional.mse_loss(vectors, table[uploaded.rows[picked]])
            adam.forget_gradients()
            (distribution + chosen.alignment_weight * centroid).backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(transformer.parameters(), _MAX_NORM)
            nn.utils.clip_grad_norm_([table], _MAX_NORM)
            adam.step(chosen.server_learning_rate)
            batches.append(torch.stack([distribution.detach(), centroid.detach()]))
        if epoch in (0, settings.server_epochs - 1):
            first, second = torch.stack(batches).mean(0).tolist()
            history.append((first, second))
    losses = AlignmentLosses(*history[0], *history[-1])
    _refuse_divergence(losses, chosen.server_learning_rate)
    return losses


def _refuse_divergence(losses: AlignmentLosses, learning_rate: float) -> None:
    if not torch.isfinite(torch.tensor([losses.last_mmd, losses.last_mse])).all():
        raise ModelError(
            f"fedktl: the feature transformer diverged: expected finite losses, got "
            f"mmd={losses.last_mmd} and mse={losses.last_mse} with "
            f"server-learning-rate={learning_rate}; lower it"
        )
