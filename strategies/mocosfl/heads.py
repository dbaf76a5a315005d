"""Projection heads: from pooled features to the space where views are compared."""

from collections import OrderedDict

from torch import nn


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
