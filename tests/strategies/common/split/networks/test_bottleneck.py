"""The bottleneck's name, sizes and exact way back to the size at the cut."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from strategies.common import seeds
from strategies.common.errors import SettingsError
from strategies.common.split.networks.bottleneck import Bottleneck, read


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("C4S2", Bottleneck(4, 2, 3, rectified=True)),
        ("noRELU_C8S1", Bottleneck(8, 1, 3, rectified=False)),
        ("C12S1K5", Bottleneck(12, 1, 5, rectified=True)),
        ("noRELU_C128S8", Bottleneck(128, 8, 3, rectified=False)),
    ],
)
def test_names_are_read(name: str, expected: Bottleneck) -> None:
    assert read(name) == expected


def test_no_name_is_no_bottleneck() -> None:
    assert read("") is None


@pytest.mark.parametrize("name", ["C4", "C0S2", "C4S3", "c4s2", "C4S2 ", "RELU_C4S2"])
def test_other_names_are_refused_with_the_pattern(name: str) -> None:
    with pytest.raises(SettingsError, match=r"expected C<channels>S<1, 2, 4 or 8>.*got"):
        read(name)


def test_a_kernel_goes_with_stride_one_alone() -> None:
    with pytest.raises(SettingsError, match=r"got 'C4S2K5'; leave out K5"):
        read("C4S2K5")


def test_one_stage_for_every_halving() -> None:
    narrowing = Bottleneck(4, 8, 3, rectified=True)
    encoder, decoder = narrowing.encoder(64), narrowing.decoder(64, 32, 32)
    stages = [(conv.in_channels, conv.out_channels) for conv in convolutions(encoder)]
    assert stages == [(64, 4), (4, 4), (4, 4)]
    stages = [(conv.in_channels, conv.out_channels) for conv in convolutions(decoder)]
    assert stages == [(4, 4), (4, 4), (4, 64)]
    assert encoder(torch.zeros(1, 64, 32, 32)).shape == (1, 4, 4, 4)


def test_stride_one_keeps_the_size_with_plain_convolutions() -> None:
    narrowing = Bottleneck(4, 1, 5, rectified=True)
    encoder, decoder = narrowing.encoder(16), narrowing.decoder(16, 6, 6)
    assert [type(layer) for layer in convolutions(encoder) + convolutions(decoder)] == [
        nn.Conv2d,
        nn.Conv2d,
    ]
    # 16*4*5*5 weights and 4 biases.
    assert sum(parameter.numel() for parameter in encoder.parameters()) == 1_604
    assert decoder(encoder(torch.zeros(1, 16, 6, 6))).shape == (1, 16, 6, 6)


@settings(max_examples=40, deadline=None)
@given(height=st.integers(1, 19), width=st.integers(1, 19), stride=st.sampled_from([1, 2, 4, 8]))
def test_the_way_back_restores_every_size(height: int, width: int, stride: int) -> None:
    narrowing = Bottleneck(2, stride, 3, rectified=True)
    activations = narrowing.encoder(4)(torch.zeros(1, 4, height, width))
    assert activations.shape == (1, 2, -(-height // stride), -(-width // stride))
    assert narrowing.decoder(4, height, width)(activations).shape == (1, 4, height, width)


def test_rectified_activations_are_never_negative() -> None:
    inputs = torch.randn(2, 8, 6, 6, generator=seeds.generator(0, "test"))
    with seeds.seeded(0):
        plain = Bottleneck(4, 2, 3, rectified=False).encoder(8)(inputs)
    with seeds.seeded(0):
        rectified = Bottleneck(4, 2, 3, rectified=True).encoder(8)(inputs)
    assert bool((plain < 0).any())
    assert torch.equal(rectified, plain.relu())


def test_weights_start_xavier_uniform_and_biases_at_zero() -> None:
    narrowing = Bottleneck(4, 2, 3, rectified=True)
    for part in (narrowing.encoder(64), narrowing.decoder(64, 32, 32)):
        (layer,) = convolutions(part)
        bound = (6 / (9 * 64 + 9 * 4)) ** 0.5
        assert bound * 0.98 < layer.weight.abs().max() <= bound
        assert layer.bias is not None
        assert not layer.bias.any()


def convolutions(module: nn.Module) -> list[nn.Conv2d | nn.ConvTranspose2d]:
    kinds = (nn.Conv2d, nn.ConvTranspose2d)
    return [layer for layer in module.modules() if isinstance(layer, kinds)]
