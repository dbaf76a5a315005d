"""The vectors that a class's images are drawn from: its centroid, and others close to it."""

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

# A quarter of the way to a valid latent: unmistakably another image, and where centroids are
# as far apart as valid latents, still closer to its own centroid than to any other.
_STEP = 0.25


def project(vectors: Tensor) -> Tensor:
    """Scale vectors (count, latent) to the length sqrt(H).

    Noise of H independent unit-variance components has this length to within 1 / sqrt(2H),
    and a diffusion model has seen no other; a mean of vectors is shorter.
    """
    return functional.normalize(vectors) * math.sqrt(vectors.shape[1])


def class_latents(
    centroids: Tensor,
    images_per_class: int,
    sample_latents: Callable[[int, torch.Generator], Tensor],
    generator: torch.Generator,
    *,
    projected: bool,
) -> Tensor:
    """Return the vectors of all images, class by class, each centroid first.

    The others are a quarter of the way from the centroid to a valid latent of their own.
    With StyleGAN that is its truncation trick around the centroid in place of the mean of
    all latents. Single clients' prototypes are no source: after alignment they lie on their
    centroid, a class may have only one, and what is sent would tell every client about one
    other client's model.

    Parameters
    ----------
    centroids : Tensor
        (class, latent); already projected where ``projected``.
    images_per_class : int
        At least 1; 1 returns the centroids.
    sample_latents : Callable[[int, torch.Generator], Tensor]
        Draws valid latents (count, latent) on the centroids' device.
    generator : torch.Generator
        CPU generator of the latents.
    projected : bool
        Scale every vector to the length of noise: halfway between two noises is none.

    Returns
    -------
    Tensor
        (class * images_per_class, latent).
    """
    others = images_per_class - 1
    if not others:
        return centroids
    classes, width = centroids.shape
    valid = sample_latents(classes * others, generator).view(classes, others, width)
    nearby = torch.lerp(centroids[:, None].expand_as(valid), valid, _STEP)
    if projected:
        nearby = project(nearby.flatten(0, 1)).view_as(nearby)
    return torch.cat([centroids[:, None], nearby], dim=1).flatten(0, 1)
