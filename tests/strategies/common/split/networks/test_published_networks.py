"""With plain convolutions, the three networks compute what torchvision's compute."""

from collections.abc import Callable

import pytest
import torch
from torch import nn

from strategies.common import seeds
from strategies.common.inputs import Images
from strategies.common.split.networks import cut
from strategies.common.split.networks.layers import normalisation
from strategies.common.split.settings import SplitSettings
from strategies.common.task import Task

SIDE = 64
TASK = Task(10, Images(3, SIDE, SIDE), 0)


def resnet() -> nn.Module:
    from torchvision.models.resnet import BasicBlock, ResNet

    network = ResNet(BasicBlock, [2, 2, 2, 2], norm_layer=normalisation)
    network.conv1 = nn.Conv2d(3, 64, 3, stride=2, padding=1, bias=False)
    network.maxpool = nn.Identity()
    network.fc = nn.Identity()
    return network


def vgg() -> nn.Module:
    from torchvision.models.vgg import cfgs

    layers: list[nn.Module] = []
    channels = 3
    for entry in cfgs["A"]:
        if isinstance(entry, int):
            layers += [nn.Conv2d(channels, entry, 3, padding=1, bias=False), normalisation(entry)]
            layers.append(nn.ReLU())
            channels = entry
        else:
            layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())


def mobilenet() -> nn.Module:
    from torchvision.models import mobilenet_v2

    network = mobilenet_v2(norm_layer=normalisation)
    network.classifier = nn.Identity()
    return network


@pytest.mark.parametrize(
    ("name", "width", "reference"),
    [("resnet18", 64, resnet), ("vgg11", 64, vgg), ("mobilenetv2", 32, mobilenet)],
)
def test_features_are_those_of_the_published_network(
    name: str,
    width: int,
    reference: Callable[[], nn.Module],
    split_settings: Callable[..., SplitSettings],
) -> None:
    settings = split_settings(network=name, width=width, weight_standardisation=False)
    built = cut.build(settings, TASK, 0)
    ours = nn.Sequential(built.front, built.back)
    with seeds.seeded(1):
        theirs = reference()
        for parameter in theirs.parameters():
            nn.init.normal_(parameter, std=0.1)
    named = theirs.state_dict()
    # Both list their layers in the order of computation, the shortcut last.
    assert [v.shape for v in ours.state_dict().values()] == [v.shape for v in named.values()]
    ours.load_state_dict(dict(zip(ours.state_dict(), named.values(), strict=True)))
    inputs = torch.randn(2, 3, SIDE, SIDE, generator=seeds.generator(0, "test"))
    with torch.no_grad():
        torch.testing.assert_close(ours(inputs), theirs(inputs))
