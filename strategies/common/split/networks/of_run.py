"""The network that a run splits: both sides build it from the run's seed, with the same weights."""

from dataclasses import dataclass
from functools import lru_cache
from typing import final

from strategies.common import seeds
from strategies.common.split.networks.cut import CutFront, CutNetwork, build, build_front
from strategies.common.split.networks.stacked import StackedModels
from strategies.common.split.settings import SplitSettings
from strategies.common.task import Task

_PURPOSE = "split-network"


@final
@dataclass(frozen=True)
class CutShape:
    """What follows from settings and task alone, before there are any weights.

    Attributes
    ----------
    num_parameters : int
        Of one client's model.
    latent_shape : tuple[int, ...]
        Channels, height and width of one sample's activations at the cut.
    """

    num_parameters: int
    latent_shape: tuple[int, ...]


@lru_cache(maxsize=64)
def cut_shape(split: SplitSettings, task: Task) -> CutShape:
    """Return the sizes of the client's part.

    Parameters
    ----------
    split : SplitSettings
        Architecture and cut.
    task : Task
        Shape of an image.

    Raises
    ------
    SettingsError
        If the network cannot be built or cut so.
    """
    # Not on torch's meta device, whose first forward pass imports for seconds.
    part = build_front(split, task, seed=0)
    return CutShape(sum(p.numel() for p in part.front.parameters()), part.latent_shape)


def whole_network(split: SplitSettings, task: Task, seed: int) -> CutNetwork:
    """Build the network with the weights that a run starts from.

    Parameters
    ----------
    split : SplitSettings
        Architecture and cut.
    task : Task
        Shape of an image.
    seed : int
        Root seed of the run.

    Raises
    ------
    SettingsError
        If the network cannot be built or cut so.
    """
    return build(split, task, seeds.derive(seed, _PURPOSE))


def client_part(split: SplitSettings, task: Task, seed: int) -> CutFront:
    """Build what clients hold of the same network, without the server's part."""
    return build_front(split, task, seeds.derive(seed, _PURPOSE))


def client_models(network: CutNetwork | CutFront, split: SplitSettings) -> StackedModels:
    """Return how the client models of one node are computed together."""
    return StackedModels(network.front, batched=split.fronts == "batched")
