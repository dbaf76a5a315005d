"""Convolution and normalisation as every cut network uses them; samples never meet in them.

Weight standardisation and group normalisation (Qiao et al., "Micro-Batch Training with
Batch-Channel Normalization and Weight Standardization", 2019; Wu and He, "Group
Normalization", ECCV 2018) take the place of batch normalisation. A sample's activations
then depend on that sample alone: one sample per client is enough, and batches of several
clients may be computed together or apart with the same result.
"""

import copy
from typing import final

import torch
from torch import Tensor, nn
from torch.nn import functional

CHANNELS_PER_GROUP = 4
# Added to a filter's standard deviation, so that a constant filter becomes zero.
STANDARD_DEVIATION_FLOOR = 1e-5


@final
class StandardisedConv2d(nn.Conv2d):
    """A convolution whose filters have mean 0 and unbiased standard deviation 1 when applied."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - torch's name
        """Map (batch, inputs, height, width) to (batch, outputs, height', width')."""
        weight = self.standardised()
        return functional.conv2d(
            input, weight, self.bias, self.stride, self.padding, self.dilation, self.groups
        )

    def standardised(self) -> Tensor:
        """Return the filters as they are applied: (outputs, inputs / groups, kernel, kernel)."""
        deviation, mean = torch.std_mean(self.weight, dim=(1, 2, 3), correction=1, keepdim=True)
        return (self.weight - mean) / (deviation + STANDARD_DEVIATION_FLOOR)


@torch.no_grad()
def with_filters_applied(network: nn.Module) -> nn.Module:
    """Return a network that learns no more, with filters that are standardised once and for all.

    Its outputs are the same, in operators that programs which convert networks know. A network
    without standardised filters comes back itself, others as a copy.
    """
    if not any(isinstance(layer, StandardisedConv2d) for layer in network.modules()):
        return network
    copied = copy.deepcopy(network)
    for layer in copied.modules():
        if isinstance(layer, StandardisedConv2d):
            layer.weight.copy_(layer.standardised())
            # Settings and tensors are those of a plain convolution already.
            layer.__class__ = nn.Conv2d  # type: ignore[assignment]
    return copied


def convolution(
    inputs: int,
    outputs: int,
    kernel: int,
    *,
    stride: int = 1,
    groups: int = 1,
    standardised: bool,
) -> nn.Conv2d:
    """Return a padded convolution without bias; a normalisation is to follow.

    Standardised filters keep torch's initialisation, since their scale does not reach the
    output; plain ones are drawn Xavier-uniform.

    Parameters
    ----------
    inputs, outputs : int
        Channels.
    kernel : int
        Odd side of the filters; with stride 1 the size of the image stays.
    stride : int
        Step of the filters.
    groups : int
        Blocks of channels that do not see each other.
    standardised : bool
        Whether filters are standardised.
    """
    kind = StandardisedConv2d if standardised else nn.Conv2d
    layer = kind(
        inputs, outputs, kernel, stride=stride, padding=kernel // 2, groups=groups, bias=False
    )
    if not standardised:
        nn.init.xavier_uniform_(layer.weight)
    return layer


def normalisation(channels: int) -> nn.GroupNorm:
    """Return group normalisation over four channels at a time, of a multiple of four."""
    return nn.GroupNorm(max(channels // CHANNELS_PER_GROUP, 1), channels)
