"""From the generator's pictures to the clients' inputs."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from strategies.fedktl.images import fit


def flat(red: int, green: int, blue: int, side: int = 8) -> torch.Tensor:
    colour = torch.tensor([red, green, blue], dtype=torch.uint8)
    return colour[None, :, None, None].repeat(1, 1, side, side)


def test_three_channels_keep_the_colours() -> None:
    fitted = fit(flat(10, 20, 30), channels=3, height=4, width=4)

    assert torch.equal(fitted, flat(10, 20, 30, side=4))


def test_one_channel_is_the_luma() -> None:
    # 0.299 * 100 + 0.587 * 200 + 0.114 * 50 = 153.0
    fitted = fit(flat(100, 200, 50), channels=1, height=4, width=4)

    assert fitted.shape == (1, 1, 4, 4)
    assert (fitted.int() - 153).abs().max() <= 1


@pytest.mark.parametrize(
    ("channels", "expected"), [(2, [1, 2]), (4, [1, 2, 3, 1]), (9, [1, 2, 3] * 3)]
)
def test_other_channel_counts_get_the_colours_in_turn(channels: int, expected: list[int]) -> None:
    fitted = fit(flat(1, 2, 3), channels, height=4, width=4)

    assert fitted[0, :, 0, 0].tolist() == expected


def test_same_size_is_untouched() -> None:
    generator = torch.Generator().manual_seed(0)
    pictures = torch.randint(256, (2, 3, 8, 8), generator=generator, dtype=torch.uint8)

    assert torch.equal(fit(pictures, 3, 8, 8), pictures)


@pytest.mark.parametrize(("channels", "height"), [(3, 8), (8, 1)])
def test_shrinking_averages_rather_than_picks(channels: int, height: int) -> None:
    # Two bright columns of every eight average 50. Without antialiasing each new column would
    # be the middle of eight old ones: exactly the bright ones, 200.
    columns = torch.isin(torch.arange(64) % 8, torch.tensor([3, 4])) * 200
    pictures = columns.to(torch.uint8)[None, None, None].repeat(1, 3, 64, 1)

    fitted = fit(pictures, channels, height, 8).float()

    assert 40 < fitted.mean().item() < 60
    assert fitted.max().item() < 100


def test_the_shorter_side_fits_and_the_centre_is_cut_out() -> None:
    # Columns 0 to 7 have the values 0 to 70; twice as wide as high, columns 2 to 5 remain.
    columns = (torch.arange(8) * 10).to(torch.uint8)
    pictures = columns[None, None, None].repeat(1, 3, 4, 1)

    fitted = fit(pictures, 3, 4, 4)

    assert fitted[0, 0, 0].tolist() == [20, 30, 40, 50]


def test_signals_get_one_band_of_the_picture_per_channel() -> None:
    # Upper half dark, lower half bright: the first channels are dark, the last ones bright.
    pictures = torch.zeros(1, 3, 32, 32, dtype=torch.uint8)
    pictures[:, :, 16:] = 200

    fitted = fit(pictures, channels=8, height=1, width=128)

    assert fitted.shape == (1, 8, 1, 128)
    assert fitted[0, 0].max() == 0
    assert (fitted[0, -1].int() - 200).abs().max() <= 1


@settings(max_examples=25, deadline=None)
@given(
    count=st.integers(1, 3),
    channels=st.integers(1, 12),
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    side=st.sampled_from([16, 32]),
)
def test_any_shape_is_reached(
    count: int, channels: int, height: int, width: int, side: int
) -> None:
    pictures = torch.full((count, 3, side, side), 77, dtype=torch.uint8)

    fitted = fit(pictures, channels, height, width)

    assert fitted.shape == (count, channels, height, width)
    assert fitted.dtype == torch.uint8
    assert (fitted.int() - 77).abs().max() <= 1
