"""Layers and filters that all StyleGANs share, against numbers worked out by hand."""

import math

import pytest
import torch
from torch.nn import functional

from generators.stylegan.primitives import FullyConnected, leaky, normalise, resample


def test_a_connected_layer_scales_weights_and_biases() -> None:
    layer = FullyConnected(4, 1, "leaky", learning_rate_factor=0.01)
    layer.load_state_dict({"weight": torch.full((1, 4), 100.0), "bias": torch.tensor([-300.0])})
    # Weights become 100 * 0.01 / sqrt(4) = 0.5, the bias -3; 4 * 0.5 - 3 = -1, then the
    # slope of 0.2 and the gain of sqrt(2).
    found = layer(torch.ones(1, 4)).item()
    assert found == pytest.approx(-0.2 * math.sqrt(2), rel=1e-6)


def test_the_rectifier_keeps_positive_numbers_but_for_its_gain() -> None:
    found = leaky(torch.tensor([-1.0, 2.0])).tolist()
    assert found == pytest.approx([-0.2 * math.sqrt(2), 2 * math.sqrt(2)])


def test_normalised_vectors_have_a_mean_square_of_one() -> None:
    # The mean square of (3, 4) is 12.5.
    found = normalise(torch.tensor([[3.0, 4.0]]))
    assert found[0].tolist() == pytest.approx([3 / math.sqrt(12.5), 4 / math.sqrt(12.5)])


def test_resampling_is_a_true_convolution() -> None:
    # Of an impulse it is the filter itself, not its mirror image: along both axes.
    image = torch.zeros(1, 1, 1, 1)
    image[0, 0, 0, 0] = 1.0
    taps = torch.tensor([1.0, 2.0, 4.0])
    found = resample(image, taps, padding=(2, 2, 2, 2))
    assert torch.equal(found[0, 0], torch.outer(taps, taps))


@pytest.mark.parametrize(("up", "down"), [(1, 1), (2, 1), (1, 2), (2, 2), (4, 2)])
def test_a_square_filter_and_its_two_halves_agree(up: int, down: int) -> None:
    randomness = torch.Generator().manual_seed(0)
    image = torch.randn(2, 3, 7, 6, generator=randomness)
    taps = torch.randn(4, generator=randomness)
    padding = (2, 1, 0, 3)
    along = resample(image, taps, up=up, down=down, padding=padding, gain=up**2)
    square = torch.outer(taps, taps)
    at_once = resample(image, square, up=up, down=down, padding=padding, gain=up**2)
    torch.testing.assert_close(along, at_once)


def test_upsampling_keeps_a_flat_picture_flat() -> None:
    taps = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8
    found = resample(torch.ones(1, 1, 6, 6), taps, up=2, padding=(2, 1, 2, 1), gain=4)
    assert found.shape == (1, 1, 12, 12)
    # The border sees the zeros around the picture.
    torch.testing.assert_close(found[..., 2:-2, 2:-2], torch.ones(1, 1, 8, 8))


def test_negative_padding_cuts() -> None:
    image = torch.arange(16.0).view(1, 1, 4, 4)
    found = resample(image, torch.ones(1), padding=(-1, 0, 0, -2))
    assert torch.equal(found, functional.pad(image, [-1, 0, 0, -2]))
