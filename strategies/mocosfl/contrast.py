"""Momentum contrast of two views, as the server computes it (InfoNCE).

He et al., "Momentum Contrast for Unsupervised Visual Representation Learning", CVPR 2020,
eq. 1; made symmetric as by Chen, Xie and He, "An Empirical Study of Training
Self-Supervised Vision Transformers", ICCV 2021.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor
from torch.nn import functional

Projection = Callable[[Tensor], Tensor]


@final
@dataclass(frozen=True)
class Contrast:
    """One loss with what is to be kept of it.

    Attributes
    ----------
    loss : Tensor
        () mean over the samples; of a symmetric contrast the sum of both terms, in nats.
    keys : tuple[Tensor, ...]
        (samples, dim) of every term, without a graph; what the memory takes in.
    accuracy : Tensor
        () part of the queries that are closer to their key than to any in the memory; the
        mean of both terms.
    alignment : Tensor
        () mean cosine of query and key; the mean of both terms.
    """

    loss: Tensor
    keys: tuple[Tensor, ...]
    accuracy: Tensor
    alignment: Tensor


def info_nce(queries: Tensor, keys: Tensor, memory: Tensor, temperature: float) -> Contrast:
    """Tell each query's key from all keys in the memory.

    Parameters
    ----------
    queries, keys : Tensor
        (samples, dim) of unit length; row i of both shows the same sample.
    memory : Tensor
        (size, dim) of unit length (Q).
    temperature : float
        What cosines are divided by (T).
    """
    positive = (queries * keys).sum(1, keepdim=True)  # (samples, 1)
    negative = queries @ memory.T  # (samples, size)
    logits = torch.cat([positive, negative], 1) / temperature
    target = torch.zeros(len(logits), dtype=torch.int64, device=logits.device)
    loss = functional.cross_entropy(logits, target)
    with torch.no_grad():
        accuracy = (positive > negative.amax(1, keepdim=True)).float().mean()
        return Contrast(loss, (keys,), accuracy, positive.mean())


def contrast(
    online: Projection,
    momentum: Projection,
    views: tuple[Tensor, Tensor],
    memory: Tensor,
    temperature: float,
    *,
    symmetric: bool,
    merged: bool,
) -> Contrast:
    """Contrast the two views of a batch.

    Parameters
    ----------
    online, momentum : Callable
        From activations (samples, *latent) to unit vectors (samples, dim): S, and its
        momentum copy.
    views : tuple[Tensor, Tensor]
        (samples, *latent) activations of the query view, made by the clients' models, and
        of the key view, made by their momentum models. A gradient reaches the first alone;
        where the second is the query, only the server learns.
    memory : Tensor
        (size, dim) (Q).
    temperature : float
        What cosines are divided by (T).
    symmetric : bool
        Whether to add the term in which the views change places at the server.
    merged : bool
        Whether both views pass a network together. It makes a difference only where samples
        of a batch see each other, as in batch normalisation.
    """
    query, key = views[0], views[1].detach()
    if not symmetric:
        with torch.no_grad():
            keys = momentum(key)
        return info_nce(online(query), keys, memory, temperature)
    queries, swapped_queries = _both(online, query, key, merged=merged)
    with torch.no_grad():
        keys, swapped_keys = _both(momentum, key, query, merged=merged)
    first = info_nce(queries, keys, memory, temperature)
    second = info_nce(swapped_queries, swapped_keys, memory, temperature)
    return Contrast(
        first.loss + second.loss,
        first.keys + second.keys,
        (first.accuracy + second.accuracy) / 2,
        (first.alignment + second.alignment) / 2,
    )


def _both(
    network: Projection, first: Tensor, second: Tensor, *, merged: bool
) -> tuple[Tensor, Tensor]:
    if not merged:
        return network(first), network(second)
    together = network(torch.cat([first, second]))
    return together[: len(first)], together[len(first) :]
