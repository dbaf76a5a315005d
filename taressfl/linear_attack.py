"""The linear attack: ridge regression in closed form, from the numbers of a latent to pixels."""

from typing import final

import torch
from torch import Tensor

from taressfl.intercept import Pairs

# Penalties, in parts of the mean variance that a latent's numbers have.
_PENALTIES = (1e-6, 1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0)
_SMALLEST_POWER = 1e-12


@final
class Ridge:
    """A linear map with an offset, learnt in one step; no randomness.

    Parameters
    ----------
    learnt : Pairs
        Latents with their images, at least one.
    kept : Pairs
        Others by which the penalty is chosen, at least one.

    Attributes
    ----------
    error : float
        Mean squared error on the pairs that chose the penalty.
    """

    def __init__(self, learnt: Pairs, kept: Pairs) -> None:
        latents, images = (part.flatten(1).double() for part in (learnt.latents, learnt.images))
        self._mean, self._offset = latents.mean(0), images.mean(0)
        self._shape = learnt.images.shape[1:]
        found = []
        for weights in _solutions(latents - self._mean, images - self._offset):
            self._weights = weights
            error = (self.reconstruct(kept.latents) - kept.images).square().mean().item()
            found.append((error, weights))
        self.error, self._weights = min(found, key=lambda one: one[0])

    def reconstruct(self, latents: Tensor) -> Tensor:
        """Return the images behind latents (samples, *latent), float32 in [0, 1]."""
        pixels = (latents.flatten(1).double() - self._mean) @ self._weights + self._offset
        return pixels.clamp(0, 1).float().view(-1, *self._shape)


def _solutions(latents: Tensor, images: Tensor) -> list[Tensor]:
    """Return the weights (numbers, pixels) that each penalty leads to."""
    count, numbers = latents.shape
    # Of the two equal forms the one with the smaller matrix.
    wide = numbers > count
    gram = latents @ latents.T if wide else latents.T @ latents
    level = (gram.trace() / numbers).clamp_min(_SMALLEST_POWER)
    identity = torch.eye(len(gram), dtype=gram.dtype, device=gram.device)
    right = images if wide else latents.T @ images
    solved = []
    for penalty in _PENALTIES:
        factor = torch.linalg.cholesky(gram + penalty * level * identity)
        weights = torch.cholesky_solve(right, factor)
        solved.append(latents.T @ weights if wide else weights)
    return solved
