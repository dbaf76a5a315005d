"""Look at a generator: samples of it, and numbers on its latents, images and speed."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import final

import torch
from torch import Tensor
from torch.nn import functional

from strategies.common.errors import StoreError
from strategies.common.image_generator import ImageGenerator
from strategies.common.new_file import mark, whole_picture

# Statistics of latents rest on so many draws, or on fewer where each is wide: pairs of
# 2048 latents of a large diffusion model would take minutes to compare.
_LATENT_DRAWS = 2048
_LATENT_NUMBERS = 2**22
_FEWEST_DRAWS = 64

_GPU_BATCH = 16


@final
@dataclass(frozen=True)
class LatentStatistics:
    """Numbers on latents.

    Attributes
    ----------
    mean, variance : float
        Of the components, averaged over components.
    norm : float
        Mean length.
    median_squared_distance : float
        Median over pairs, to set beside the bandwidths of a kernel on latents.
    """

    mean: float
    variance: float
    norm: float
    median_squared_distance: float


@final
@dataclass(frozen=True)
class Drawn:
    """Images, and what it took to draw them.

    Attributes
    ----------
    images : Tensor
        (count, 3, height, width) uint8 on the CPU.
    images_per_second : float
        Without the first batch, which loads and tunes kernels, where there are more.
    peak_gpu_bytes : int | None
        Most memory that tensors held, weights included; ``None`` on the CPU.
    """

    images: Tensor
    images_per_second: float
    peak_gpu_bytes: int | None


def draw(generator: ImageGenerator, latents: Tensor, told: Callable[[int], None]) -> Drawn:
    """Draw one image per latent, in batches so that progress can be told.

    Parameters
    ----------
    generator : ImageGenerator
        What to look at.
    latents : Tensor
        (count, latent) at least one; on the device where images are drawn.
    told : Callable[[int], None]
        Called with the number of images after each batch.
    """
    gpu = latents.device.type == "cuda"
    if gpu:
        torch.cuda.reset_peak_memory_stats(latents.device)
    images: list[Tensor] = []
    seconds: list[float] = []
    for batch in torch.split(latents, _GPU_BATCH if gpu else 1):
        begin = time.perf_counter()
        images.append(generator.synthesize(batch))
        seconds.append(time.perf_counter() - begin)
        told(len(batch))
    timed = slice(1 if len(images) > 1 else 0, None)
    return Drawn(
        images=torch.cat(images),
        images_per_second=sum(len(part) for part in images[timed]) / sum(seconds[timed]),
        peak_gpu_bytes=torch.cuda.max_memory_allocated(latents.device) if gpu else None,
    )


def latent_statistics(generator: ImageGenerator, randomness: torch.Generator) -> LatentStatistics:
    """Describe what a generator takes for valid latents."""
    fitting = _LATENT_NUMBERS // generator.latent_dim
    drawn = generator.sample_latents(min(_LATENT_DRAWS, max(_FEWEST_DRAWS, fitting)), randomness)
    return LatentStatistics(
        mean=float(drawn.mean()),
        variance=float(drawn.var(0).mean()),
        norm=float(drawn.norm(dim=1).mean()),
        median_squared_distance=median_squared_distance(drawn),
    )


def median_squared_distance(latents: Tensor) -> float:
    """Return the median over pairs of the squared distance, from latents (count, latent)."""
    return float(torch.pdist(latents).square().median())


def write_sheet(parts: list[Tensor], out: Path) -> int:
    """Write images into one PNG file, each part below the one before, and tell its columns.

    Parameters
    ----------
    parts : list[Tensor]
        Images (count, 3, height, width) uint8 of one size; at least one part and image. The
        first part decides on the number of columns, so that it is about square.
    out : Path
        File to write.

    Raises
    ------
    StoreError
        If it cannot be written; what stood there before is untouched.
    """
    # Imported here: it takes seconds, and is needed only to look at pictures.
    from torchvision.transforms.functional import to_pil_image  # noqa: PLC0415
    from torchvision.utils import make_grid  # noqa: PLC0415

    columns = max(1, round(math.sqrt(len(parts[0]))))
    # A row that is not full is filled up with black images.
    full = [functional.pad(part, (0, 0) * 3 + (0, -len(part) % columns)) for part in parts]
    sheet = to_pil_image(make_grid(torch.cat(full), nrow=columns))
    try:
        with whole_picture(out) as file:
            sheet.save(file, format="PNG", pnginfo=mark())
    except OSError as error:
        raise StoreError(
            f"--out {out}: cannot be written ({error.strerror or error}); free space on its disk, "
            f"or name a file in another folder"
        ) from None
    return columns
