"""One network cut in two: the front on the clients, the back on the server."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from types import MappingProxyType
from typing import final

import torch
from torch import nn

from strategies.common import seeds
from strategies.common.errors import SettingsError
from strategies.common.inputs import Images
from strategies.common.run_config import known_name
from strategies.common.split.networks import bottleneck
from strategies.common.split.networks.layers import CHANNELS_PER_GROUP
from strategies.common.split.networks.mobilenet import mobilenetv2
from strategies.common.split.networks.resnet import resnet18
from strategies.common.split.networks.vgg import vgg11
from strategies.common.split.settings import SplitSettings
from strategies.common.task import Task

Shape = tuple[int, ...]
Architecture = Callable[[SplitSettings, Images], Iterator[nn.Module]]

_ARCHITECTURES: Mapping[str, Architecture] = MappingProxyType(
    {"resnet18": resnet18, "vgg11": vgg11, "mobilenetv2": mobilenetv2}
)


@final
@dataclass(frozen=True)
class CutFront:
    """The client's part alone, which is all that a device needs.

    Attributes
    ----------
    front : nn.Module
        (batch, channels, height, width) to (batch, *latent_shape).
    latent_shape : tuple[int, ...]
        Channels, height and width of one sample's activations at the cut.
    """

    front: nn.Module
    latent_shape: Shape


@final
@dataclass(frozen=True)
class CutNetwork:
    """A network in two parts; neither has buffers, and samples never meet in either.

    Attributes
    ----------
    front : nn.Module
        The client's part: (batch, channels, height, width) to (batch, *latent_shape).
    back : nn.Module
        The server's part: (batch, *latent_shape) to (batch, feature_dim), averaged over
        positions; without parameters where the cut comes last. A method adds its head.
    latent_shape : tuple[int, ...]
        Channels, height and width of one sample's activations at the cut.
    feature_dim : int
        Width of the pooled features.
    """

    front: nn.Module
    back: nn.Module
    latent_shape: Shape
    feature_dim: int


def build(settings: SplitSettings, task: Task, seed: int) -> CutNetwork:
    """Build a network and cut it after ``settings.cut`` modules; the stem is the first.

    Weights depend on the seed alone and not on the cut; a bottleneck has its own.

    Parameters
    ----------
    settings : SplitSettings
        Architecture, width, cut and bottleneck.
    task : Task
        Channels and size of an image; any size from one pixel on.
    seed : int
        Seed of the initial weights; equal seeds give equal weights on every device.

    Raises
    ------
    SettingsError
        If the network has fewer modules than the cut asks for, if the width is no multiple
        of four, or if the bottleneck cannot be read.
    """
    with seeds.seeded(seed):
        modules = _modules(settings, task.images)
        on_client = _in_front(settings, modules)
        on_server = list(modules)
    client = _narrowed(settings, task, seed, on_client)
    narrowing = bottleneck.read(settings.bottleneck)
    if narrowing is not None:
        channels, height, width = _output_shape(on_client, task.images.shape)
        with seeds.seeded(seeds.derive(seed, "bottleneck-decoder")):
            on_server.insert(0, narrowing.decoder(channels, height, width))
    back = nn.Sequential(*on_server, nn.AdaptiveAvgPool2d(1), nn.Flatten())
    (feature_dim,) = _output_shape([back], client.latent_shape)
    return CutNetwork(client.front, back, client.latent_shape, feature_dim)


def build_front(settings: SplitSettings, task: Task, seed: int) -> CutFront:
    """Build what :func:`build` has in front of the cut, with no memory for the rest.

    Parameters and errors are those of :func:`build`.
    """
    with seeds.seeded(seed):
        on_client = _in_front(settings, _modules(settings, task.images))
    return _narrowed(settings, task, seed, on_client)


def _modules(settings: SplitSettings, images: Images) -> Iterator[nn.Module]:
    known_name("setting split.network", settings.network, _ARCHITECTURES)
    if settings.width % CHANNELS_PER_GROUP:
        raise SettingsError(
            f"setting split.width: expected a multiple of {CHANNELS_PER_GROUP}, the channels "
            f"that are normalised together, got {settings.width}"
        )
    return _ARCHITECTURES[settings.network](settings, images)


def _in_front(settings: SplitSettings, modules: Iterator[nn.Module]) -> list[nn.Module]:
    taken = list(islice(modules, settings.cut))
    if len(taken) < settings.cut:
        raise SettingsError(
            f"setting split.cut: expected 1 to {len(taken)}, the modules of {settings.network}, "
            f"got {settings.cut}"
        )
    return taken


def _narrowed(
    settings: SplitSettings, task: Task, seed: int, on_client: list[nn.Module]
) -> CutFront:
    """Put the bottleneck's first half behind the client's modules, where there is one."""
    layers = list(on_client)
    narrowing = bottleneck.read(settings.bottleneck)
    if narrowing is not None:
        channels = _output_shape(on_client, task.images.shape)[0]
        with seeds.seeded(seeds.derive(seed, "bottleneck-encoder")):
            layers.append(narrowing.encoder(channels))
    return CutFront(nn.Sequential(*layers), _output_shape(layers, task.images.shape))


@torch.no_grad()
def _output_shape(modules: list[nn.Module], shape: Shape) -> Shape:
    return tuple(nn.Sequential(*modules)(torch.zeros(1, *shape)).shape[1:])
