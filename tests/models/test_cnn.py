"""The four-layer CNN: published sizes, and what is done outside of them."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from models.cnn import cnn
from strategies.common.inputs import Images


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize(
    ("channels", "size", "expected"),
    [
        # (25 * channels * 32 + 32) + (25 * 32 * 64 + 64) + (inputs * 512 + 512), where
        # 28 pixels leave 4x4x64 = 1024 inputs, 32 leave 5x5x64 = 1600, 64 leave 13x13x64.
        # With 5,130 of the head the first two are the published 0.58 M and 0.88 M.
        (1, 28, 832 + 51_264 + 524_800),
        (3, 32, 2_432 + 51_264 + 819_712),
        (3, 64, 2_432 + 51_264 + 5_538_304),
        # 16 pixels are the fewest that fit without padding: 16-12-6-2-1.
        (3, 16, 2_432 + 51_264 + 33_280),
        # Padded: 15-15-7-7-3 and 8-8-4-4-2.
        (3, 15, 2_432 + 51_264 + 295_424),
        (3, 8, 2_432 + 51_264 + 131_584),
        # Above 64 pixels as many as at 32.
        (3, 65, 2_432 + 51_264 + 819_712),
        (3, 224, 2_432 + 51_264 + 819_712),
    ],
)
def test_parameters(channels: int, size: int, expected: int) -> None:
    with torch.device("meta"):
        body = cnn(Images(channels, size, size))
    assert body.width == 512
    assert count(body.network) == expected


def test_it_computes_the_published_network() -> None:
    network = cnn(Images(3, 32, 32)).network
    inputs = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    (w1, b1, w2, b2, w3, b3) = network.parameters()
    hidden = functional.max_pool2d(functional.conv2d(inputs, w1, b1).relu(), 2)
    hidden = functional.max_pool2d(functional.conv2d(hidden, w2, b2).relu(), 2)
    expected = functional.linear(hidden.flatten(1), w3, b3).relu()
    torch.testing.assert_close(network(inputs), expected)


def test_sides_are_treated_one_by_one() -> None:
    # 64 rows leave 13, 200 columns are averaged to 5, 8 rows leave 2 and 20 columns 2.
    with torch.device("meta"):
        long = cnn(Images(1, 64, 200)).network
        narrow = cnn(Images(1, 8, 20)).network
        assert long(torch.empty(2, 1, 64, 200)).shape == (2, 512)
        assert narrow(torch.empty(2, 1, 8, 20)).shape == (2, 512)
    assert count(long) == 832 + 51_264 + 64 * 13 * 5 * 512 + 512
    assert count(narrow) == 832 + 51_264 + 64 * 2 * 2 * 512 + 512
