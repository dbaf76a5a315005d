"""Grids, widths and filters of random-weight StyleGAN3 networks against published facts."""

import math

import numpy as np
import pytest
import torch

from generators.stylegan.stylegan3_design import (
    StyleGAN3Design,
    published_design,
    random_stylegan3,
)
from generators.stylegan.stylegan3_filters import low_pass, radial_low_pass


def test_config_t_at_512_pixels_has_the_published_layers() -> None:
    signals, critical = published_design("t", 512).signals()
    layers = signals[1:]
    sizes = [36, 36, 52, 52, 84, 84, 148, 148, 276, 276, 532, 532, 532, 512, 512]
    assert [layer.size for layer in layers] == sizes
    channels = [*[512] * 7, 483, 323, 215, 144, 96, 64, 64, 3]
    assert [layer.channels for layer in layers] == channels
    assert critical == {12, 13, 14}
    # The waves: 16 points and twice the margin of 10, faded from frequency 2 on.
    start = signals[0]
    assert (start.size, start.rate, start.cutoff, start.half_width) == (36, 16, 2.0, 6.0)


def test_config_r_is_twice_as_wide() -> None:
    narrow = published_design("t", 256).signals()[0]
    wide = published_design("r", 256).signals()[0]
    assert [signal.size for signal in wide] == [signal.size for signal in narrow]
    assert wide[-2].channels == 2 * narrow[-2].channels == 256


def test_stylegan_xl_at_64_pixels_grows_a_head_on_a_stem() -> None:
    stem = published_design("xl", 16).signals()[0]
    assert [signal.size for signal in stem[:-2]] == [36] * 10
    assert len(stem) == 12  # num_ws
    assert [signal.size for signal in stem[-2:]] == [16, 16]
    whole = published_design("xl", 64).signals()[0]
    assert len(whole) == 17
    # The head's first layer keeps what the last layer of the stem that stays gave.
    assert whole[8] == whole[9] == stem[8]
    assert [signal.size for signal in whole[-3:]] == [84, 64, 64]


def test_a_head_starts_from_the_stem_as_published() -> None:
    # 16 to 32 pixels with 6 and 4 layers; the numbers are a file's.
    signals, _ = StyleGAN3Design(16, True, 1024, 32, 64, 6, head=(32, 4)).signals()
    assert [signal.size for signal in signals[1:]] == [36, 36, 36, 36, 36, 52, 52, 32, 32]
    cutoffs = [2, 2.828427, 4, 5.656854, 5.656854, 9.513657, 16, 16, 16]
    assert [signal.cutoff for signal in signals[1:]] == pytest.approx(cutoffs, abs=1e-6)
    halves = [6, 5.171573, 4, 2.343146, 2.343146, 6.486343, 3.698311, 3.698311, 3.698311]
    assert [signal.half_width for signal in signals[1:]] == pytest.approx(halves, abs=1e-6)


def test_padding_is_as_in_published_files() -> None:
    network = random_stylegan3(StyleGAN3Design(32, False, 2048, 4, 8, 6), seed=0)
    grids = [layer.resampling for layer in network.config.layers]
    paddings = [None if found is None else found.padding for found in grids]
    assert paddings == [(9, 8), (9, 8), (-6, -9), (9, 8), (9, 8), (-11, -12), None]
    assert [None if found is None else found.up for found in grids] == [2, 2, 4, 2, 2, 2, None]
    assert network.num_ws == 8
    assert network.config.image_size == network.image_size == 32


def test_a_random_network_draws_and_its_seed_fixes_it() -> None:
    design = StyleGAN3Design(16, True, 128, 4, 8, 4)
    first, again, other = (random_stylegan3(design, seed) for seed in (0, 0, 1))
    ws = torch.randn(2, first.num_ws, 8, generator=torch.Generator().manual_seed(0))
    images = first(ws)
    assert images.shape == (2, 3, 16, 16)
    assert bool(images.isfinite().all())
    assert torch.equal(images, again(ws))
    assert not torch.equal(images, other(ws))


# Filters


def test_low_pass_keeps_means_and_is_symmetric() -> None:
    taps = low_pass(12, 2.0, 6.0, 32)
    assert taps.sum().item() == pytest.approx(1, abs=1e-6)
    assert torch.allclose(taps, taps.flip(0))


def test_low_pass_by_hand() -> None:
    # Taps at -1/2 and 1/2, so equal; then four taps, attenuation 2.285 * 3 * pi * 0.5 + 7.95
    # = 18.7, below 21: no window. sinc at 0.25 and at 0.75 of a half period each.
    assert low_pass(2, 1.0, 1.0, 8).tolist() == [0.5, 0.5]
    inner, outer = math.sin(math.pi / 8) * 8 / math.pi, math.sin(3 * math.pi / 8) * 8 / 3 / math.pi
    expected = np.array([outer, inner, inner, outer]) / (2 * (inner + outer))
    taps = low_pass(4, 1.0, 1.0, 8)
    assert taps.tolist() == pytest.approx(expected.tolist(), abs=1e-7)


def test_the_window_depends_on_the_attenuation() -> None:
    # 2.285 * 11 * pi * 2 * 6 / 16 + 7.95 = 67.2 > 50: beta = 0.1102 * 58.5.
    taps = low_pass(12, 2.0, 6.0, 32).double().numpy()
    attenuation = 2.285 * 11 * math.pi * 12 / 16 + 7.95
    window = np.kaiser(12, 0.1102 * (attenuation - 8.7))
    places = (np.arange(12) - 5.5) / 32
    expected = np.sinc(4 * places) * window
    assert np.allclose(taps, expected / expected.sum(), atol=1e-7)


@pytest.mark.parametrize("design", [low_pass, radial_low_pass])
def test_frequencies_above_the_band_are_stopped(design) -> None:
    taps = design(48, 8.0, 1.5, 32).double()
    row = taps if taps.ndim == 1 else taps.sum(0)
    places = (torch.arange(48) - 23.5) / 32

    def gain(frequency: float) -> float:
        return abs((row * torch.cos(2 * math.pi * frequency * places)).sum().item())

    assert gain(0) == pytest.approx(1, abs=1e-6)
    assert min(gain(frequency) for frequency in np.linspace(0, 6.5, 14)) > 0.99
    assert gain(8) == pytest.approx(0.5, abs=0.02)
    assert max(gain(frequency) for frequency in np.linspace(9.5, 16, 14)) < 0.01


def test_radial_filters_have_no_axis() -> None:
    taps = radial_low_pass(12, 4.0, 3.0, 32)
    assert taps.sum().item() == pytest.approx(1, abs=1e-6)
    for turned in (taps.T, taps.flip(0), taps.flip(1)):
        assert torch.allclose(taps, turned)
    # No product of filters along the axes is radial.
    assert int(torch.linalg.matrix_rank(taps.double(), rtol=1e-5)) > 1
