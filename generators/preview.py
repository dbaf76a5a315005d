"""Look at a generator: a grid of samples, and numbers on its latents and its speed."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import final

import torch
from torch import Tensor

from generators.base import ImageGenerator

# Latents on which the statistics rest.
_LATENT_DRAWS = 2048


@final
@dataclass(frozen=True)
class Statistics:
    """What a look at a generator found.

    Attributes
    ----------
    latent_mean, latent_variance : float
        Mean and variance of the latents' components, averaged over components.
    median_squared_distance : float
        Median over pairs of latents, to set beside the bandwidths of a kernel on latents.
    images_per_second : float
        Speed on this machine.
    """

    latent_mean: float
    latent_variance: float
    median_squared_distance: float
    images_per_second: float


def preview(
    generator: ImageGenerator, count: int, randomness: torch.Generator, out: Path
) -> Statistics:
    """Draw samples into a picture.

    Parameters
    ----------
    generator : ImageGenerator
        What to look at.
    count : int
        Number of samples.
    randomness : torch.Generator
        Source of the latents.
    out : Path
        PNG file to write.
    """
    latents = generator.sample_latents(count, randomness)
    begin = time.perf_counter()
    images = generator.synthesize(latents)
    elapsed_s = time.perf_counter() - begin
    _write(images, out)
    drawn = generator.sample_latents(_LATENT_DRAWS, randomness)
    return Statistics(
        latent_mean=float(drawn.mean()),
        latent_variance=float(drawn.var(0).mean()),
        median_squared_distance=median_squared_distance(drawn),
        images_per_second=count / elapsed_s,
    )


def median_squared_distance(latents: Tensor) -> float:
    """Return the median over pairs of the squared distance, from latents (count, latent)."""
    return float(torch.pdist(latents).square().median())


def _write(images: Tensor, out: Path) -> None:
    # Imported here: it takes seconds, and is needed only to look at pictures.
    from torchvision.transforms.functional import to_pil_image  # noqa: PLC0415
    from torchvision.utils import make_grid  # noqa: PLC0415

    columns = max(1, round(len(images) ** 0.5))
    to_pil_image(make_grid(images, nrow=columns)).save(out, format="PNG")
