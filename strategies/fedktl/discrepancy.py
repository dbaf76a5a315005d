"""Maximum mean discrepancy: how far two samples are from one distribution.

Gretton, Borgwardt, Rasch, Schölkopf, Smola: "A Kernel Two-Sample Test", JMLR 2012, eq. 5.
"""

from typing import Literal

import torch
from torch import Tensor

Bandwidths = Literal["stylegan", "median"]

# The authors' set; at W's width of 512 and its spread these meet typical squared distances.
_STYLEGAN = (10.0, 15.0, 20.0, 50.0)
_FRACTIONS_OF_MEDIAN = (0.25, 0.5, 1.0, 2.0)
_SMALLEST_MEDIAN = 1e-30


def squared_distances(points: Tensor) -> Tensor:
    """Return the squared distances between all rows: (points, points), at least 0."""
    squares = points.square().sum(1)
    return (squares[:, None] + squares - 2 * points @ points.T).clamp_min(0)


def mmd(vectors: Tensor, latents: Tensor, kind: Bandwidths) -> Tensor:
    """Return the squared discrepancy between two samples (L_MMD).

    It is the biased statistic: the mean over all pairs, each point with itself included, of
    k(q, q') + k(w, w') - 2 k(q, w), where k is the sum over four bandwidths a of
    exp(-d^2 / 2a). Two samples of n points from one distribution score about
    (2 / n)(4 - E k) rather than 0.

    Parameters
    ----------
    vectors : Tensor
        (vectors, latent) q; gets a gradient.
    latents : Tensor
        (latents, latent) w.
    kind : Bandwidths
        ``"stylegan"``: a of 10, 15, 20 and 50. Where squared distances are in the thousands,
        k and its gradient are 0 in float32 and nothing is learnt. ``"median"``: a quarter,
        half, once and twice the median squared distance between any two of all points,
        without gradient.

    Returns
    -------
    Tensor
        () in [0, 8].
    """
    kernel = _kernel(torch.cat([vectors, latents]), kind)
    count = len(vectors)
    own, other = kernel[:count, :count], kernel[count:, count:]
    return own.mean() + other.mean() - 2 * kernel[:count, count:].mean()


def mean_kernel(points: Tensor, kind: Bandwidths) -> float:
    """Return the mean of k over all pairs of different points, in [0, 4].

    Near 0 the kernel is blind: it takes all points for unrelated, wherever they lie.
    """
    kernel = _kernel(points, kind)
    count = len(points)
    return ((kernel.sum() - kernel.trace()) / (count * (count - 1))).item()


def _kernel(points: Tensor, kind: Bandwidths) -> Tensor:
    distances = squared_distances(points)
    kernel = torch.zeros_like(distances)
    for bandwidth in _bandwidths(distances.detach(), kind):
        kernel = kernel + torch.exp(distances * (-0.5 / bandwidth))
    return kernel


def _bandwidths(distances: Tensor, kind: Bandwidths) -> tuple[float | Tensor, ...]:
    if kind == "stylegan":
        return _STYLEGAN
    count = len(distances)
    upper = torch.triu_indices(count, count, 1, device=distances.device)
    median = distances[upper[0], upper[1]].median()
    # All points may coincide; any positive bandwidth then gives the same kernel.
    median = median.clamp_min(_SMALLEST_MEDIAN)
    return tuple(fraction * median for fraction in _FRACTIONS_OF_MEDIAN)
