"""Standardised filters and groups of four channels, against the formulas written out."""

import statistics

import pytest
import torch
from torch import nn

from strategies.common import seeds
from strategies.common.split.networks.layers import (
    StandardisedConv2d,
    convolution,
    normalisation,
    with_filters_applied,
)


def test_filters_have_mean_zero_and_unbiased_deviation_one() -> None:
    layer = convolution(1, 2, 3, standardised=True)
    with torch.no_grad():
        layer.weight[0] = torch.arange(9.0).view(1, 3, 3)
        layer.weight[1] = 5.0
    # An image of one bright pixel shows each filter turned by half a turn.
    image = torch.zeros(1, 1, 3, 3)
    image[0, 0, 1, 1] = 1.0
    shown = layer(image).flip(2, 3)
    # 0 to 8: mean 4; squared distances sum to 60, over 8 is 7.5.
    expected = (torch.arange(9.0) - 4) / (7.5**0.5 + 1e-5)
    torch.testing.assert_close(shown[0, 0].flatten(), expected)
    # A constant filter has deviation 0 and becomes zero, not infinite.
    assert torch.equal(shown[0, 1], torch.zeros(3, 3))


def test_filters_that_are_standardised_once_give_the_same_bits() -> None:
    network = nn.Sequential(
        convolution(3, 4, 3, stride=2, standardised=True), convolution(4, 4, 1, standardised=True)
    )
    inputs = torch.randn(2, 3, 5, 5, generator=seeds.generator(0, "test"))
    applied = with_filters_applied(network)
    assert torch.equal(applied(inputs), network(inputs))
    assert [type(layer) for layer in applied] == [nn.Conv2d, nn.Conv2d]
    assert [type(layer) for layer in network] == [StandardisedConv2d, StandardisedConv2d]
    assert with_filters_applied(applied) is applied


def test_each_filter_is_standardised_by_itself() -> None:
    layer = convolution(3, 4, 3, standardised=True)
    inputs = torch.randn(2, 3, 5, 5, generator=seeds.generator(0, "test"))
    filters = []
    for weights in layer.weight.detach():
        numbers = weights.flatten().tolist()
        mean, deviation = statistics.fmean(numbers), statistics.stdev(numbers)
        filters.append((weights - mean) / (deviation + 1e-5))
    plain = nn.functional.conv2d(inputs, torch.stack(filters), padding=1)
    torch.testing.assert_close(layer(inputs), plain)


def test_the_scale_of_standardised_filters_does_not_reach_the_output() -> None:
    layer = convolution(3, 4, 3, standardised=True)
    inputs = torch.randn(2, 3, 5, 5, generator=seeds.generator(1, "test"))
    before = layer(inputs)
    with torch.no_grad():
        layer.weight.mul_(10).add_(3)
    torch.testing.assert_close(layer(inputs), before, atol=1e-3, rtol=1e-3)


def test_plain_filters_are_drawn_xavier_uniform() -> None:
    with seeds.seeded(0):
        layer = convolution(16, 32, 3, standardised=False)
    bound = (6 / (9 * 16 + 9 * 32)) ** 0.5
    assert type(layer) is nn.Conv2d
    assert layer.bias is None
    assert bound * 0.99 < layer.weight.abs().max() <= bound


@pytest.mark.parametrize(("channels", "groups"), [(64, 16), (16, 4), (4, 1), (12, 3)])
def test_four_channels_are_normalised_together(channels: int, groups: int) -> None:
    layer = normalisation(channels)
    assert layer.num_groups == groups
    inputs = 3 + 2 * torch.randn(2, channels, 3, 3, generator=seeds.generator(2, "test"))
    first = layer(inputs)[:, :4]
    assert torch.allclose(first.mean(dim=(1, 2, 3)), torch.zeros(2), atol=1e-5)
    # Group normalisation divides by the biased deviation, and adds 1e-5 to the variance.
    assert torch.allclose(first.var(dim=(1, 2, 3), correction=0), torch.ones(2), atol=1e-3)
