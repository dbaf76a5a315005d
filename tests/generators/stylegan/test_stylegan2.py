"""StyleGAN2's synthesis against the published formulas, computed the long way."""

import math
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor
from torch.nn import functional

from generators.stylegan.stylegan2 import Layer, StyleGAN2Config, StyleGAN2Synthesis, ToColours

_TAPS = torch.tensor([1.0, 3.0, 3.0, 1.0], dtype=torch.float64) / 8


def _long_way_up(image: Tensor, pad: tuple[int, int]) -> Tensor:
    """Insert zeros, pad and filter, one channel after another."""
    height, width = image.shape[-2:]
    spread = image.new_zeros(*image.shape[:-2], 2 * height, 2 * width)
    spread[..., ::2, ::2] = image
    padded = functional.pad(spread, [*pad, *pad])
    kernel = torch.outer(_TAPS, _TAPS)[None, None] * 4
    channels = [functional.conv2d(padded[:, c : c + 1], kernel) for c in range(image.shape[1])]
    return torch.cat(channels, 1)


def _long_way(layer: Layer | ToColours, features: Tensor, w: Tensor, *, up: bool) -> Tensor:
    """Modulate and demodulate the weights themselves, one picture after another."""
    conv = layer.conv
    pictures = []
    for image, latent in zip(features, w, strict=True):
        affine = conv.affine
        style = latent @ affine.weight.T / math.sqrt(len(latent)) + affine.bias
        if isinstance(layer, ToColours):
            style = style / math.sqrt(conv.weight.shape[1])
        weight = conv.weight * style[None, :, None, None]
        if isinstance(layer, Layer):
            power = weight.square().sum((1, 2, 3), keepdim=True)
            weight = weight / (power + 1e-8).sqrt()
        if up:
            padded = _long_way_up(image[None], (3, 2))
            drawn = functional.conv2d(padded, weight.flip(2, 3))
        else:
            drawn = functional.conv2d(image[None], weight, padding=weight.shape[2] // 2)
        pictures.append(drawn)
    outputs = torch.cat(pictures)
    if isinstance(layer, Layer):
        assert layer.noise is not None
        assert layer.noise_strength is not None
        outputs = outputs + layer.noise * layer.noise_strength
    outputs = outputs + layer.bias[:, None, None]
    if isinstance(layer, Layer):
        outputs = functional.leaky_relu(outputs, 0.2) * math.sqrt(2)
    return outputs.clamp(-1.5, 1.5)


def _config(**changes: Any) -> StyleGAN2Config:
    return StyleGAN2Config(**{"w_dim": 5, "channels": (6, 4, 3), "clamp": 1.5, **changes})


def _synthesis(**changes: Any) -> StyleGAN2Synthesis:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = StyleGAN2Synthesis(_config(**changes)).double()
        for name, weight in network.named_parameters():
            if name.endswith(("bias", "noise_strength")):
                torch.nn.init.normal_(weight)
    return network


@pytest.mark.parametrize("up", [False, True])
def test_a_layer_computes_the_formula(up: bool) -> None:
    block = _synthesis().blocks[1]
    layer = block.conv0 if up else block.conv1
    randomness = torch.Generator().manual_seed(1)
    size = 4 if up else 8
    shape = (2, 6 if up else 4, size, size)
    features = torch.randn(shape, generator=randomness, dtype=torch.float64)
    w = torch.randn(2, 5, generator=randomness, dtype=torch.float64)
    found = layer(features, w, _TAPS)
    torch.testing.assert_close(found, _long_way(layer, features, w, up=up))


def test_whole_pictures_follow_the_formula() -> None:
    network = _synthesis()
    ws = torch.randn(2, 6, 5, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    first, *rest = network.blocks
    features = first.const.expand(2, -1, -1, -1)
    features = _long_way(first.conv1, features, ws[:, 0], up=False)
    colours = _long_way(first.torgb, features, ws[:, 1], up=False)
    for place, block in enumerate(rest):
        features = _long_way(block.conv0, features, ws[:, 1 + 2 * place], up=True)
        features = _long_way(block.conv1, features, ws[:, 2 + 2 * place], up=False)
        added = _long_way(block.torgb, features, ws[:, 3 + 2 * place], up=False)
        colours = _long_way_up(colours, (2, 1)) + added
    torch.testing.assert_close(network(ws), colours)


def test_a_residual_network_halves_both_ways() -> None:
    network = _synthesis(architecture="resnet")
    assert network.blocks[0].torgb is None
    block = network.blocks[1]
    randomness = torch.Generator().manual_seed(3)
    features = torch.randn(1, 6, 4, 4, generator=randomness, dtype=torch.float64)
    w = torch.randn(1, 5, generator=randomness, dtype=torch.float64)
    carried = functional.conv2d(features, block.skip / math.sqrt(6))
    along = _long_way(block.conv0, features, w, up=True)
    along = _long_way(block.conv1, along, w, up=False)
    expected = (_long_way_up(carried, (2, 1)) + along) * math.sqrt(0.5)
    found, colours = block(features, None, [w, w, w], _TAPS)
    torch.testing.assert_close(found, expected)
    assert colours is None


def test_a_plain_network_draws_colours_at_the_end_only() -> None:
    network = _synthesis(architecture="orig", image_channels=1)
    assert [block.torgb is not None for block in network.blocks] == [False, False, True]
    assert network(torch.zeros(2, 6, 5, dtype=torch.float64)).shape == (2, 1, 16, 16)


def test_pictures_do_not_depend_on_their_neighbours() -> None:
    network = _synthesis()
    ws = torch.randn(3, 6, 5, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    torch.testing.assert_close(network(ws)[1:2], network(ws[1:2]), rtol=1e-10, atol=1e-10)


def test_every_latent_and_weight_matters() -> None:
    network = _synthesis(clamp=None)
    ws = torch.randn(1, 6, 5, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    ws.requires_grad_(True)
    network(ws).square().sum().backward()
    assert ws.grad is not None
    assert bool((ws.grad.abs().sum(2) > 0).all())
    for name, weight in network.named_parameters():
        assert weight.grad is not None, name
        assert bool(weight.grad.abs().sum() > 0), name


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"channels": ()}, "at least 1 item"),
        ({"channels": (8,) * 11}, "at most 2,048 pixels"),
        ({"channels": (8, 100_000)}, "less than or equal to 8192"),
        ({"clamp": -1.0}, "greater than 0"),
        ({"architecture": "dense"}, "'skip', 'resnet' or 'orig'"),
    ],
)
def test_absurd_geometry_is_refused(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        _config(**changes)
