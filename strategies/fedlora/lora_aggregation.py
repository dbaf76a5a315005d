"""How a server averages LoRA factors of clients, whose ranks may differ.

What a client has learnt is the product B A, so the mean to aim at is M = sum_k w_k B_k A_k.
Its rank is up to the sum of the clients' ranks. Three ways are on offer:

==========  ======================  =====================================================
function    rank of the result      distance from M
==========  ======================  =====================================================
``stack``   sum of the ranks        none (FLoRA: Wang et al., NeurIPS 2024)
``svd``     chosen                  the least that the rank allows (FlexLoRA: Bai et al.,
                                    NeurIPS 2024)
``naive``   largest of the ranks    biased: the product of means is not the mean of products
==========  ======================  =====================================================

``naive`` is what averaging all tensors of a LoRA checkpoint comes to. Independent Gaussian
factors of ranks 4, 4 and 8 put it sqrt(88) / 12 = 78 % away from M, whatever the width; factors
that were trained from a common start lie closer together. The same holds for averages of
bottleneck adapters, whose two matrices are averaged apart too.

:func:`added` gathers the means of many rounds in one exact update, and :func:`truncated` brings
factors back to a client's own rank.

Pure functions; all of them compute in float64 and return the clients' dtype and device.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from strategies.common.errors import ModelError
from strategies.fedlora.lora_factors import LoraFactors


def stack(factors: Sequence[LoraFactors], weights: Sequence[float]) -> LoraFactors:
    """Return the exact mean M: A's one below the other, weighted B's side by side.

    A layer whose sum of ranks passes its full rank is factored anew at exactly that rank, with
    nothing cut off.

    Parameters
    ----------
    factors : Sequence[LoraFactors]
        One per client, of the same layers; ranks may differ.
    weights : Sequence[float]
        One per client, above 0, e.g. its number of samples; they are divided by their sum.

    Returns
    -------
    LoraFactors
        Of the sum of the ranks, or of the shape's full rank where that is less.

    Raises
    ------
    ModelError
        If there is no client, layers differ, or a weight is not above 0 and finite.
    """
    return _exact(factors, _shares(factors, weights))


def added(first: LoraFactors, second: LoraFactors) -> LoraFactors:
    """Return factors whose product is the sum of two products, exactly.

    A server adds each round's mean to what the rounds before it came to. The rank is the sum of
    both ranks and stops at the shape's full rank, so that an update of many rounds never costs
    more than (in + out) times full rank values per layer.

    Raises
    ------
    ModelError
        If the layers differ.
    """
    _check_layers([first, second])
    return _exact([first, second], [1.0, 1.0])


def svd(factors: Sequence[LoraFactors], weights: Sequence[float], rank: int) -> LoraFactors:
    """Return the factors of a rank whose product is nearest to the mean M.

    The nearest in Frobenius norm keeps the largest singular values of M (Eckart and Young,
    Psychometrika 1936). Each value is split evenly: its square root goes into A and into B.
    Directions beyond the rank of M are zero in both; see
    :meth:`~strategies.fedlora.lora_factors.LoraFactors.with_idle_redrawn`.

    Parameters
    ----------
    factors : Sequence[LoraFactors]
        One per client, of the same layers; ranks may differ.
    weights : Sequence[float]
        One per client, above 0, e.g. its number of samples; they are divided by their sum.
    rank : int
        Rank of the result, 1 or more.

    Raises
    ------
    ModelError
        If there is no client, layers differ, or a weight is not above 0 and finite.
    """
    stacked = _stacked(factors, _shares(factors, weights))
    resolution = _resolution(factors)
    targets = factors[0].shape.targets
    pairs = [
        _best_of_rank(down, up, target.rank(rank), resolution)
        for target, (down, up) in zip(targets, stacked, strict=True)
    ]
    return _gathered(factors, rank, pairs)


def naive(factors: Sequence[LoraFactors], weights: Sequence[float]) -> LoraFactors:
    """Return the mean of the A's with the mean of the B's: biased, for comparison only.

    Factors of a smaller rank than the largest are padded with zeros.

    Parameters
    ----------
    factors : Sequence[LoraFactors]
        One per client, of the same layers; ranks may differ.
    weights : Sequence[float]
        One per client, above 0, e.g. its number of samples; they are divided by their sum.

    Raises
    ------
    ModelError
        If there is no client, layers differ, or a weight is not above 0 and finite.
    """
    shares = _shares(factors, weights)
    rank = max(part.rank for part in factors)
    pairs = []
    for layer, target in enumerate(factors[0].shape.targets):
        width = target.rank(rank)
        exact = factors[0].down[layer].double()
        down, up = (
            exact.new_zeros(width, target.in_features),
            exact.new_zeros(target.out_features, width),
        )
        for part, share in zip(factors, shares, strict=True):
            down[: len(part.down[layer])] += share * part.down[layer].double()
            up[:, : part.up[layer].shape[1]] += share * part.up[layer].double()
        pairs.append((down, up))
    return _gathered(factors, rank, pairs)


def truncated(factors: LoraFactors, rank: int) -> LoraFactors:
    """Return the nearest factors of a rank: how a client gets back to its own.

    A larger rank than the factors' own is filled with zeros.
    """
    return svd([factors], [1.0], rank)


def relative_error(
    found: LoraFactors, factors: Sequence[LoraFactors], weights: Sequence[float]
) -> float:
    """Return how far an aggregate is from the mean M, as a share of M.

    It is ||B A - M|| / ||M|| in the Frobenius norm over all layers together; 0 where both are
    zero, infinite where only M is.

    Parameters
    ----------
    found : LoraFactors
        The aggregate.
    factors, weights
        What it was made of.
    """
    stacked = _stacked(factors, _shares(factors, weights))
    _check_layers([factors[0], found])
    distance = size = 0.0
    for (down, up), found_down, found_up in zip(stacked, found.down, found.up, strict=True):
        difference = torch.cat([found_down.double(), down]), torch.cat([found_up.double(), -up], 1)
        distance += _squared_norm(*difference)
        size += _squared_norm(down, up)
    if distance == 0.0:
        return 0.0
    return math.sqrt(distance / size) if size else math.inf


def _shares(factors: Sequence[LoraFactors], weights: Sequence[float]) -> list[float]:
    if not factors or len(factors) != len(weights):
        raise ModelError(
            f"LoRA: expected one weight for each of one or more clients, got {len(factors)} "
            f"factors and {len(weights)} weights"
        )
    _check_layers(factors)
    if not all(math.isfinite(weight) and weight > 0 for weight in weights):
        raise ModelError(f"LoRA: expected weights above 0, got {list(weights)}")
    total = math.fsum(weights)
    return [weight / total for weight in weights]


def magnitude(factors: LoraFactors) -> float:
    """Return the root mean square of the change of all weights, B A, in double precision."""
    pairs = zip(factors.down, factors.up, strict=True)
    total = math.fsum(_squared_norm(down.double(), up.double()) for down, up in pairs)
    return math.sqrt(total / sum(t.in_features * t.out_features for t in factors.shape.targets))


def _check_layers(factors: Sequence[LoraFactors]) -> None:
    expected = factors[0].shape
    for position, part in enumerate(factors):
        if part.shape != expected:
            raise ModelError(
                f"LoRA: expected the layers of digest {expected.digest().hex()[:12]} from "
                f"everyone, got {part.shape.digest().hex()[:12]} at position {position}; all parts "
                f"of a federation adapt the same foundation model at the same layers"
            )


def _exact(factors: Sequence[LoraFactors], shares: Sequence[float]) -> LoraFactors:
    shape = factors[0].shape
    rank = min(sum(part.rank for part in factors), shape.full_rank)
    pairs = []
    for target, (down, up) in zip(shape.targets, _stacked(factors, shares), strict=True):
        fits = len(down) <= target.full_rank
        width = target.full_rank
        pairs.append((down, up) if fits else _best_of_rank(down, up, width, _resolution(factors)))
    return _gathered(factors, rank, pairs)


def _stacked(
    factors: Sequence[LoraFactors], shares: Sequence[float]
) -> list[tuple[Tensor, Tensor]]:
    """Return A (sum of ranks, in) and B (out, sum of ranks) of each layer, whose product is M."""
    pairs = []
    for layer in range(len(factors[0].shape.targets)):
        downs = [part.down[layer].double() for part in factors]
        ups = [share * part.up[layer].double() for part, share in zip(factors, shares, strict=True)]
        pairs.append((torch.cat(downs), torch.cat(ups, 1)))
    return pairs


def _resolution(factors: Sequence[LoraFactors]) -> float:
    return float(torch.finfo(factors[0].down[0].dtype).eps)


def _best_of_rank(down: Tensor, up: Tensor, rank: int, resolution: float) -> tuple[Tensor, Tensor]:
    """Return the best factors of a rank for up @ down, by a small core instead of the product."""
    columns, left = torch.linalg.qr(up)
    rows, right = torch.linalg.qr(down.T)
    core_up, values, core_down = torch.linalg.svd(left @ right.T, full_matrices=False)
    # Rounding leaves values that are almost zero: a direction that neither counts nor learns.
    kept = min(rank, int((values > resolution * values[0]).sum()))
    roots = values[:kept].sqrt()
    best_down, best_up = down.new_zeros(rank, down.shape[1]), up.new_zeros(len(up), rank)
    best_down[:kept] = roots[:, None] * (core_down[:kept] @ rows.T)
    best_up[:, :kept] = (columns @ core_up[:, :kept]) * roots
    return best_down, best_up


def _squared_norm(down: Tensor, up: Tensor) -> float:
    # Not by traces of Gram matrices, whose cancellation would hide errors below 1e-8.
    left, right = torch.linalg.qr(up).R, torch.linalg.qr(down.T).R
    return float((left @ right.T).square().sum())


def _gathered(
    factors: Sequence[LoraFactors], rank: int, pairs: Sequence[tuple[Tensor, Tensor]]
) -> LoraFactors:
    like = factors[0].down[0]
    matrices = (matrix.to(like) for pair in pairs for matrix in pair)
    return LoraFactors.of(factors[0].shape, rank, matrices)
