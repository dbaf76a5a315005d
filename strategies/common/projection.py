"""A linear layer beside a client's model that is the client's own from the start."""

from dataclasses import dataclass

from torch import nn

from strategies.common import seeds
from strategies.common.device import MessageDevice
from strategies.common.message import ModelState


@dataclass
class ProjectedState(ModelState):
    """What stays on a device whose model's features go through such a layer.

    Attributes
    ----------
    projection : nn.Linear
        From features to the space in which the method compares or classifies them.
    """

    projection: nn.Linear


def own_projection(
    device: MessageDevice,
    inputs: int,
    outputs: int,
    *,
    purpose: str = "projection",
    bias: bool = True,
) -> nn.Linear:
    """Return a fresh layer where the device computes.

    Parameters
    ----------
    device : MessageDevice
        Gives the run's seed and the client, from which weights are drawn.
    inputs, outputs : int
        Widths.
    purpose : str
        What the layer is for; other purposes give other weights.
    bias : bool
        Whether it adds one.
    """
    seed = seeds.derive(device.settings.seed, purpose, partition=device.partition)
    with seeds.seeded(seed):
        layer = nn.Linear(inputs, outputs, bias=bias)
    return layer.to(device.torch_device)
