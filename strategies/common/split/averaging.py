"""The mean of models' weights over exactly those who sent them."""

from collections.abc import Mapping

import torch
from torch import Tensor


def average(weights: Mapping[int, Tensor], samples: Mapping[int, int] | None = None) -> Tensor:
    """Average flat weights over clients.

    Sums are taken in float64 and in the order of the clients, so that the result depends
    neither on the order of arrival nor on how clients share nodes.

    Parameters
    ----------
    weights : Mapping[int, Tensor]
        Weights of one shape and dtype by logical client; at least one.
    samples : Mapping[int, int] | None
        Training samples by logical client, which weigh the mean; ``None`` weighs all alike.

    Returns
    -------
    Tensor
        The mean, of the shape and dtype of one client's weights.

    Raises
    ------
    ValueError
        If there is nothing to average, or if a client's samples are missing or fewer than 1.
    """
    if not weights:
        raise ValueError("averaging: expected the weights of at least one client, got none")
    clients = sorted(weights)
    shares = dict.fromkeys(clients, 1) if samples is None else samples
    if wrong := [client for client in clients if shares.get(client, 0) < 1]:
        raise ValueError(
            f"averaging: expected at least 1 sample of every client, got none of {wrong}"
        )
    first = weights[clients[0]]
    total = torch.zeros_like(first, dtype=torch.float64)
    for client in clients:
        total.add_(weights[client].to(torch.float64), alpha=shares[client])
    return total.div_(sum(shares[client] for client in clients)).to(first.dtype)
