"""ResNet-4, -6, -8 and -10: one basic block per stage, one to four stages.

He et al., "Deep Residual Learning for Image Recognition" (CVPR 2016); the family is
HtFLlib's. With colour images of 28 pixels or more, 512 features and ten classes they have
0.09 M, 0.32 M, 1.24 M and 4.9 M parameters; ``stem.py`` says what smaller images change.
Written here, and not taken from torchvision, because importing that costs a small device
seconds per message.
"""

from typing import final

from torch import Tensor, nn
from torch.nn import functional

from models import stem
from models.body import Body
from models.pooling import MaxPooling
from strategies.common.inputs import Images

STAGE_WIDTHS = (64, 128, 256, 512)


@final
class BasicBlock(nn.Module):
    """Two 3x3 convolutions beside a shortcut (section 3.2, equation 2).

    Parameters
    ----------
    inputs : int
        Input channels.
    outputs : int
        Output channels; the first convolution strides by 2 where they differ.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        changes = inputs != outputs
        stride = 2 if changes else 1
        self.first = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        self.second = nn.Sequential(
            nn.Conv2d(outputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs)
        )
        self.shortcut = (
            nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False),
                nn.BatchNorm2d(outputs),
            )
            if changes
            else nn.Identity()
        )
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, inputs: Tensor) -> Tensor:
        """Map (batch, inputs, height, width) to (batch, outputs, height', width')."""
        residual = self.second(functional.relu(self.first(inputs)))
        return functional.relu(residual + self.shortcut(inputs))


def resnet4(images: Images) -> Body:
    """Build the network with one stage; its width is 64."""
    return _resnet(images, 1)


def resnet6(images: Images) -> Body:
    """Build the network with two stages; its width is 128."""
    return _resnet(images, 2)


def resnet8(images: Images) -> Body:
    """Build the network with three stages; its width is 256."""
    return _resnet(images, 3)


def resnet10(images: Images) -> Body:
    """Build the network with four stages; its width is 512."""
    return _resnet(images, 4)


def _resnet(images: Images, stages: int) -> Body:
    first = STAGE_WIDTHS[0]
    layers: list[nn.Module] = [
        stem.convolution(images, first, kernel=7),
        nn.BatchNorm2d(first),
        nn.ReLU(),
        stem.pooling(images, MaxPooling(3, stride=2, padding=1)),
    ]
    inputs = first
    for outputs in STAGE_WIDTHS[:stages]:
        layers.append(BasicBlock(inputs, outputs))
        inputs = outputs
    layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    return Body(nn.Sequential(*layers), inputs)
