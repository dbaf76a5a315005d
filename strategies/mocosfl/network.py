"""The server's network: rest of the backbone, head, momentum copy, and the memory of keys."""

from collections import OrderedDict
from collections.abc import Iterable
from typing import final

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim.swa_utils import get_ema_multi_avg_fn


def follow(momentum: Iterable[Tensor], online: Iterable[Tensor], keep: float) -> None:
    """Move a momentum model towards the model it follows, in place and without a graph.

    Parameters
    ----------
    momentum : Iterable[Tensor]
        Parameters that follow.
    online : Iterable[Tensor]
        Parameters that are followed, of the same shapes.
    keep : float
        Part of the momentum model that stays (tau).
    """
    move = get_ema_multi_avg_fn(keep)  # type: ignore[no-untyped-call]
    move(list(momentum), list(online), 0)


def projection_head(feature_dim: int, hidden: int, dim: int) -> nn.Sequential:
    """Build a head with Xavier-uniform weights and no bias at the start.

    Weights come from torch's global generator; call it under ``seeds.seeded``.

    Parameters
    ----------
    feature_dim : int
        Width of the features.
    hidden : int
        Width of the hidden layer of MoCo v2; 0 for the linear head of v1.
    dim : int
        Width of queries and keys (D).
    """
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    if hidden:
        layers["hidden"] = _linear(feature_dim, hidden)
        layers["relu"] = nn.ReLU()
    layers["output"] = _linear(hidden or feature_dim, dim)
    return nn.Sequential(layers)


def _linear(inputs: int, outputs: int) -> nn.Linear:
    layer = nn.Linear(inputs, outputs)
    nn.init.xavier_uniform_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


@final
class Encoder(nn.Module):
    """From activations of the cut to features and to unit vectors (S in the paper).

    Parameters
    ----------
    back : nn.Module
        From (samples, *latent) to pooled features (samples, feature_dim).
    head : nn.Module
        From features to (samples, dim).
    """

    def __init__(self, back: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.back = back
        self.head = head

    def features(self, activations: Tensor) -> Tensor:
        """Return pooled features (samples, feature_dim), which a linear probe reads."""
        features: Tensor = self.back(activations)
        return features

    def project(self, features: Tensor) -> Tensor:
        """Return unit vectors (samples, dim), which are contrasted."""
        return functional.normalize(self.head(features))

    def forward(self, activations: Tensor) -> Tensor:
        """Return the unit vectors of activations (samples, *latent): (samples, dim)."""
        return self.project(self.features(activations))


@final
class Memory(nn.Module):
    """A ring of unit vectors (the queue Q), shared by all clients.

    Parameters
    ----------
    size : int
        Keys that it holds (K).
    dim : int
        Width of a key (D).
    generator : torch.Generator
        Draws the directions that it starts with.

    Attributes
    ----------
    rows : Tensor
        (size, dim) float32 of unit length; written over from the oldest on.
    written : Tensor
        () int64; keys written since the start of the run.
    """

    rows: Tensor
    written: Tensor

    def __init__(self, size: int, dim: int, generator: torch.Generator) -> None:
        super().__init__()
        drawn = torch.randn(size, dim, generator=generator)
        self.register_buffer("rows", functional.normalize(drawn))
        self.register_buffer("written", torch.zeros((), dtype=torch.int64))

    def enqueue(self, keys: Tensor) -> None:
        """Write keys over the oldest rows.

        Parameters
        ----------
        keys : Tensor
            (keys, dim) of unit length, in the order in which they age; of more keys than
            there are rows, the last ones stay.
        """
        size = len(self.rows)
        # Positions are computed where the rows are: a GPU need not be waited for.
        places = (self.written + torch.arange(len(keys), device=self.rows.device)) % size
        self.rows.index_copy_(0, places[-size:], keys[-size:])
        self.written += len(keys)

    def keys(self) -> Tensor:
        """Return the rows that were written: (keys, dim), at most all."""
        return self.rows[: min(int(self.written), len(self.rows))]
