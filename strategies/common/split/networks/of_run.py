"""The network that a run splits: both sides build it from the run's seed, with the same weights."""

from strategies.common import seeds
from strategies.common.split.networks.cut import CutFront, CutNetwork, build, build_front
from strategies.common.split.networks.fronts import Fronts
from strategies.common.split.settings import SplitSettings
from strategies.common.task import Task

_PURPOSE = "split-network"


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


def client_models(network: CutNetwork | CutFront, split: SplitSettings) -> Fronts:
    """Return how the client models of one node are computed together."""
    return Fronts(network.front, batched=split.fronts == "batched")
