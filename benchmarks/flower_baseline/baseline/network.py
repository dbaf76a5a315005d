"""A network and data that cost next to nothing."""

import torch
from torch import nn
from torch.nn import functional


def build() -> nn.Module:
    """Return a small network."""
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))


def learn(network: nn.Module) -> None:
    """Take a few steps on random data."""
    optimiser = torch.optim.SGD(network.parameters(), 0.01)
    for _ in range(5):
        loss = functional.cross_entropy(network(torch.randn(10, 64)), torch.randint(10, (10,)))
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
