"""The choice of the first layers."""

import pytest
from torch import nn

from models import stem
from strategies.common.inputs import Images


@pytest.mark.parametrize(
    ("height", "width", "small"),
    [(8, 8, True), (27, 27, True), (28, 28, False), (27, 200, True), (200, 28, False)],
)
def test_the_shorter_side_decides(height: int, width: int, small: bool) -> None:
    assert stem.is_small(Images(3, height, width)) is small


@pytest.mark.parametrize("kernel", [3, 7])
def test_large_images_are_halved_and_small_ones_are_not(kernel: int) -> None:
    large = stem.convolution(Images(3, 28, 28), 32, kernel)
    assert (large.kernel_size, large.stride) == ((kernel, kernel), (2, 2))
    assert large.padding == (kernel // 2, kernel // 2)
    small = stem.convolution(Images(1, 27, 27), 32, kernel)
    assert (small.kernel_size, small.stride, small.padding) == ((3, 3), (1, 1), (1, 1))
    assert small.weight.shape == (32, 1, 3, 3)


def test_small_images_are_not_pooled() -> None:
    given = nn.MaxPool2d(3)
    assert stem.pooling(Images(3, 28, 28), given) is given
    assert isinstance(stem.pooling(Images(3, 27, 27), given), nn.Identity)
