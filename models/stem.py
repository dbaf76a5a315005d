"""The first layers of a network, chosen by the size of its images.

The ImageNet networks shrink an image fourfold before their first block. From 28 pixels on
that stem is kept, as HtFLlib keeps it, so that sizes, costs and published figures can be
held side by side. An image of 8 pixels would be one pixel after two more stages, and
GoogLeNet's poolings would be left with nothing: smaller images enter through a 3x3
convolution with stride 1 and no pooling, as in the CIFAR-10 networks of He et al., "Deep
Residual Learning for Image Recognition" (CVPR 2016, section 4.2). Such a stem has
``(49 - 9) * channels * 64`` fewer parameters and sees sixteen times as many positions, at
several times the cost per image.
"""

from torch import nn

from strategies.common.inputs import Images

# MNIST's size, the smallest for which results with the ImageNet stem are published.
LARGE_SIDE = 28


def is_small(images: Images) -> bool:
    """Return whether the shorter side of the images is below ``LARGE_SIDE`` pixels."""
    return min(images.height, images.width) < LARGE_SIDE


def convolution(images: Images, width: int, kernel: int) -> nn.Conv2d:
    """Return a network's first convolution, without bias.

    Weights are drawn as in torchvision's ResNet and MobileNetV2: normal, with the variance
    of He et al., "Delving Deep into Rectifiers" (ICCV 2015, section 2.2), backward case.

    Parameters
    ----------
    images : Images
        Gives channels and size.
    width : int
        Output channels.
    kernel : int
        Odd kernel for large images, with stride 2; small ones get 3 with stride 1.
    """
    size, stride = (3, 1) if is_small(images) else (kernel, 2)
    layer = nn.Conv2d(images.channels, width, size, stride=stride, padding=size // 2, bias=False)
    nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
    return layer


def pooling(images: Images, for_large: nn.Module) -> nn.Module:
    """Return the pooling after the first convolution: none for small images."""
    return nn.Identity() if is_small(images) else for_large
