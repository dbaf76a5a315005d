"""Decoders: shapes, names, and no difference between training and evaluation."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from strategies.common.errors import SettingsError
from taressfl.decoder import DecoderShape, build, parse

Shape = tuple[int, int, int]
SMALL = DecoderShape(0, 8, "group")


@pytest.mark.parametrize(
    ("latent", "image"),
    [
        ((4, 16, 16), (3, 32, 32)),  # C4S2 at 32 pixels: one doubling
        ((4, 4, 4), (1, 8, 8)),
        ((6, 8, 8), (3, 8, 8)),  # no doubling
        ((2, 1, 1), (1, 8, 8)),  # three doublings
        ((2, 4, 4), (1, 28, 28)),  # 4 becomes 32, then 28
        ((2, 3, 5), (3, 6, 9)),
    ],
)
def test_images_have_the_size_and_range_asked_for(latent: Shape, image: Shape) -> None:
    images = build(SMALL, latent, image, seed=0)(torch.randn(2, *latent))

    assert images.shape == (2, *image)
    assert 0 <= float(images.detach().min()) < float(images.detach().max()) <= 1


def test_the_published_decoder_has_its_size() -> None:
    # res_normN4C64 from C4S2's 4 x 16 x 16 to 3 x 32 x 32, in convolutions (weights, and
    # biases of the second of each block, of the shortcut and of the transposed one).
    def block(i: int, o: int) -> int:
        shortcut = 0 if i == o else i * o + o
        return (9 * i * o) + (9 * o * o + o) + 2 * i + 2 * o + shortcut

    doubling = 9 * 64 * 64 + 64 + 2 * 64
    expected = block(4, 64) + 4 * block(64, 64) + doubling + block(64, 64) + block(64, 3)

    network = build(parse("res_normN4C64"), (4, 16, 16), (3, 32, 32), seed=0)

    assert sum(weight.numel() for weight in network.parameters()) == expected


@pytest.mark.parametrize("norm", ["group", "none"])
def test_training_and_evaluation_read_alike(norm: str) -> None:
    network = build(parse(f"res_{'norm' if norm == 'group' else ''}N1C8"), (4, 4, 4), (1, 8, 8), 0)
    latents = torch.randn(5, 4, 4, 4, generator=torch.Generator().manual_seed(0))

    trained, evaluated = network.train()(latents), network.eval()(latents)
    alone = torch.cat([network(latents[i : i + 1]) for i in range(5)])

    assert torch.equal(trained, evaluated)
    assert torch.allclose(trained, alone, atol=1e-6)
    assert not list(network.buffers())


def test_weights_follow_the_seed_and_nothing_else() -> None:
    first, second, other = (build(SMALL, (4, 4, 4), (1, 8, 8), seed) for seed in (0, 0, 1))
    before = torch.random.get_rng_state()
    build(SMALL, (4, 4, 4), (1, 8, 8), 2)

    assert torch.equal(torch.random.get_rng_state(), before)
    assert all(map(torch.equal, first.parameters(), second.parameters()))
    assert not all(map(torch.equal, first.parameters(), other.parameters()))


@given(
    blocks=st.integers(0, 9), channels=st.integers(1, 999), norm=st.sampled_from(["group", "none"])
)
@settings(max_examples=30, deadline=None)
def test_names_are_read_back(blocks: int, channels: int, norm: str) -> None:
    shape = DecoderShape(blocks, channels, norm)

    assert parse(shape.name) == shape


@pytest.mark.parametrize("name", ["", "res_normN4", "conv_normN4C64", "res_normN4C0", "N4C64 "])
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(SettingsError, match="expected a name such as res_normN4C64"):
        parse(name)
