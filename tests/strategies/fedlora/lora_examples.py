"""Factors and foundation models for tests of LoRA."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from strategies.fedlora.lora_factors import LoraFactors
from strategies.fedlora.lora_shape import LoraShape, LoraTarget

TWO_LAYERS = LoraShape((LoraTarget("query", 6, 6), LoraTarget("value", 6, 4)))


def random_factors(
    shape: LoraShape, rank: int, seed: int, dtype: torch.dtype = torch.float32
) -> LoraFactors:
    """Gaussian factors, B included."""
    generator = torch.Generator().manual_seed(seed)
    sizes = [size for _, size in shape.keys(rank)]
    drawn = (torch.randn(size, generator=generator, dtype=dtype) for size in sizes)
    return LoraFactors.of(shape, rank, drawn)


def dense_mean(factors: Sequence[LoraFactors], weights: Sequence[float]) -> tuple[Tensor, ...]:
    """The weighted mean of the clients' products of each layer, in float64, written plainly."""
    total = sum(weights)
    means = []
    for layer, target in enumerate(factors[0].shape.targets):
        mean = torch.zeros(target.out_features, target.in_features, dtype=torch.float64)
        for client, weight in zip(factors, weights, strict=True):
            mean += weight / total * (client.up[layer].double() @ client.down[layer].double())
        means.append(mean)
    return tuple(means)


class Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, 2, bias=False)
        self.dropout = nn.Dropout(0.5)

    def forward(self, inputs: Tensor) -> Tensor:
        mixed = self.query(inputs).sin() * self.key(inputs)
        return self.dropout(self.value(mixed))


def toy_backbone(seed: int = 0) -> nn.Sequential:
    """Two blocks whose layers have unlike widths, frozen as a backbone is."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = nn.Sequential(Block(5), Block(2))
    return model.eval().requires_grad_(False)
