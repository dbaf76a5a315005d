"""The network that is split: client models on the devices, a classifier on the server."""

from dataclasses import dataclass
from typing import final

from torch import nn

from strategies.common import seeds
from strategies.common.split.networks.of_run import whole_network
from strategies.common.split.settings import SplitSettings
from strategies.common.task import Task


@final
@dataclass(frozen=True)
class SplitClassifier:
    """A classifier in two parts.

    Attributes
    ----------
    front : nn.Module
        The client's part: (batch, channels, height, width) to (batch, *latent_shape).
    back : nn.Module
        The server's part: (batch, *latent_shape) to (batch, class) scores.
    latent_shape : tuple[int, ...]
        Shape of one sample's activations at the cut.
    """

    front: nn.Module
    back: nn.Module
    latent_shape: tuple[int, ...]


def split_classifier(split: SplitSettings, task: Task, seed: int) -> SplitClassifier:
    """Build both parts with the weights that a run starts from.

    Parameters
    ----------
    split : SplitSettings
        Architecture and cut.
    task : Task
        Shape of an image and number of classes.
    seed : int
        Root seed of the run.

    Raises
    ------
    SettingsError
        If the network cannot be built or cut so.
    """
    network = whole_network(split, task, seed)
    with seeds.seeded(seeds.derive(seed, "split-head")):
        head = nn.Linear(network.feature_dim, task.num_classes)
        nn.init.xavier_uniform_(head.weight)
        nn.init.zeros_(head.bias)
    return SplitClassifier(network.front, nn.Sequential(network.back, head), network.latent_shape)
