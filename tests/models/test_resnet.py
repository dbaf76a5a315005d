"""The small ResNets against torchvision's, block by block."""

from collections.abc import Callable

import pytest
import torch
from torch import nn

from models import resnet
from models.body import Body
from strategies.common.inputs import Images


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize(
    ("build", "expected"),
    [
        # Stem 7*7*3*64 + 128 = 9,536; stage one 2*9*64*64 + 256 = 73,984; every further
        # stage from n/2 to n: 9*n*n/2 + 9*n*n + n*n/2 + 6*n = 14*n*n + 6*n.
        (resnet.resnet4, 83_520),
        (resnet.resnet6, 83_520 + 230_144),
        (resnet.resnet8, 83_520 + 230_144 + 919_040),
        (resnet.resnet10, 83_520 + 230_144 + 919_040 + 3_673_088),
    ],
)
def test_parameters(build: Callable[[Images], Body], expected: int) -> None:
    with torch.device("meta"):
        published = build(Images(3, 32, 32)).network
        smallest = build(Images(3, 28, 28)).network
        small = build(Images(3, 27, 27)).network
        grey = build(Images(1, 27, 27)).network
    assert count(published) == count(smallest) == expected
    # The documented deviation: a 3x3 stem has 40 * 3 * 64 weights fewer than a 7x7 one.
    assert count(small) == expected - 7_680
    assert count(grey) == expected - 7_680 - 2 * 9 * 64


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("size", [28, 64])
def test_resnet10_computes_what_torchvisions_resnet_computes(training: bool, size: int) -> None:
    from torchvision.models.resnet import BasicBlock, ResNet

    reference = ResNet(BasicBlock, [1, 1, 1, 1])
    reference.fc = nn.Identity()
    network = resnet.resnet10(Images(3, size, size)).network
    # Both list stem, first, second, shortcut, stage by stage.
    theirs, ours = reference.state_dict(), network.state_dict()
    assert [v.shape for v in theirs.values()] == [v.shape for v in ours.values()]
    network.load_state_dict(dict(zip(ours, theirs.values(), strict=True)))
    reference.train(training)
    network.train(training)
    inputs = torch.rand(3, 3, size, size, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(network(inputs), reference(inputs))


def test_weights_start_with_the_variance_of_he_et_al() -> None:
    # Fan-out of a 3x3 convolution to 512 channels is 4608; the standard deviation of its
    # 2.4 million weights is sqrt(2 / 4608) = 0.02083 to four digits.
    network = resnet.resnet10(Images(1, 8, 8)).network
    deviations = [p.std().item() for p in network.parameters() if p.shape == (512, 512, 3, 3)]
    assert deviations == [pytest.approx(0.020833, rel=0.01)]
