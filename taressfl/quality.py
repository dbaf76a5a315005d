"""How good a reconstruction is: MSE, SSIM and PSNR."""

import torch
from torch import Tensor

from strategies.mocosfl.taressfl.verdict import Quality
from taressfl.ssim import ssim

# An exact reconstruction has no finite PSNR; this one stands for 100 dB.
_SMALLEST_MSE = 1e-10


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
