"""How good a reconstruction is: MSE, SSIM and PSNR."""

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from strategies.mocosfl.taressfl.ssim import ssim

# An exact reconstruction has no finite PSNR; this one stands for 100 dB.
_SMALLEST_MSE = 1e-10


@final
@dataclass(frozen=True)
class Quality:
    """Means over images.

    Attributes
    ----------
    mse : float
        Mean squared difference of pixels in [0, 1]; higher is more private.
    ssim : float
        Structural similarity in [-1, 1]; lower is more private.
    psnr : float
        Peak signal-to-noise ratio in dB for a peak of 1, at most 100; lower is more private.
    """

    mse: float
    ssim: float
    psnr: float


@torch.no_grad()
def measure(reconstructed: Tensor, images: Tensor) -> Quality:
    """Compare reconstructions with the images they should be.

    Parameters
    ----------
    reconstructed, images : Tensor
        (samples, channels, height, width) in [0, 1]; at least one sample.
    """
    errors = (reconstructed - images).square().mean((1, 2, 3))  # (samples,)
    return Quality(
        mse=errors.mean().item(),
        ssim=ssim(reconstructed, images).mean().item(),
        psnr=(-10 * errors.clamp_min(_SMALLEST_MSE).log10()).mean().item(),
    )
