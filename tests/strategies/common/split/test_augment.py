"""Views: hand-made draws with known results, and draws within their published ranges."""

import colorsys
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from strategies.common import seeds
from strategies.common.samples import prepare
from strategies.common.split.augment import IDENTITY, Augmentation, Column, apply, draw

VIEWS = Augmentation(family="mocov2", min_scale=0.08, flip=True)


def drawn(**numbers: float) -> Tensor:
    """Return the draw that changes nothing but what is named."""
    row = torch.tensor(IDENTITY)
    for name, number in numbers.items():
        row[Column[name.upper()]] = number
    return row.unsqueeze(0)


def seen(image: Tensor, **numbers: float) -> Tensor:
    """Return one image under a hand-made draw, in [0, 1]."""
    return (apply(image.unsqueeze(0), drawn(**numbers), VIEWS)[0] + 1) / 2


def pixels(*shape: int, seed: int = 0) -> Tensor:
    numbers = torch.randint(0, 256, shape, generator=seeds.generator(seed, "pixels"))
    return numbers.to(torch.uint8)


def assert_close(got: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(got, expected, atol=2e-6, rtol=0)


# One step at a time


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_the_identity_is_the_scaling_for_a_network(channels: int) -> None:
    images = pixels(3, channels, 5, 6)
    draws = drawn().repeat(3, 1)
    assert_close(apply(images, draws, VIEWS), prepare(images))
    floats = 3 * torch.randn(3, channels, 5, 6, generator=seeds.generator(0, "test"))
    assert_close(apply(floats, draws, VIEWS), floats)


def test_inputs_stay_as_they_are() -> None:
    for images in (pixels(4, 3, 8, 8), torch.rand(4, 3, 8, 8)):
        before = images.clone()
        apply(images, draw(4, VIEWS, seeds.generator(0, "test")), VIEWS)
        assert torch.equal(images, before)


def test_a_flip_mirrors_columns_exactly() -> None:
    image = pixels(3, 4, 5)
    assert torch.equal(seen(image, flip=1), seen(image).flip(2))


@pytest.mark.parametrize(("left", "top", "value"), [(0, 0, 10), (0.5, 0, 60), (0.5, 0.5, 240)])
def test_nothing_outside_of_a_crop_is_mixed_in(left: float, top: float, value: int) -> None:
    quadrants = torch.tensor([[10, 60], [120, 240]], dtype=torch.uint8)
    image = quadrants.repeat_interleave(4, 0).repeat_interleave(4, 1).unsqueeze(0)
    crop = seen(image, left=left, top=top, width=0.5, height=0.5)
    assert_close(crop, torch.full((1, 8, 8), value / 255))


@pytest.mark.parametrize(("left", "top", "columns", "rows"), [(2, 1, 4, 3), (0, 5, 9, 2)])
def test_a_crop_of_whole_pixels_is_stretched_bilinearly(
    left: int, top: int, columns: int, rows: int
) -> None:
    image = pixels(3, 8, 9)
    part = image[:, top : top + rows, left : left + columns].float().unsqueeze(0) / 255
    expected = functional.interpolate(part, (8, 9), mode="bilinear", align_corners=False)
    crop = seen(image, left=left / 9, top=top / 8, width=columns / 9, height=rows / 8)
    assert_close(crop, expected[0])


def test_a_crop_narrower_than_a_pixel_is_its_middle() -> None:
    image = torch.tensor([[[0, 100]]], dtype=torch.uint8)
    # The middle of the crop is 0.6 of two pixels, 0.7 pixels from the first one's centre.
    crop = seen(image, left=0.5, width=0.2)
    assert_close(crop, torch.full((1, 1, 2), 70 / 255))


def test_brightness_multiplies_and_cuts_off() -> None:
    image = torch.tensor([[[50, 200]]], dtype=torch.uint8)
    assert_close(seen(image, brightness=1.4), torch.tensor([[[70 / 255, 1.0]]]))
    assert_close(seen(image, brightness=0.6), torch.tensor([[[30 / 255, 120 / 255]]]))


def test_contrast_goes_away_from_the_mean_brightness() -> None:
    image = torch.tensor([[[100, 140]]], dtype=torch.uint8)
    assert_close(seen(image, contrast=1.4), torch.tensor([[[92 / 255, 148 / 255]]]))
    coloured = torch.tensor([[[255]], [[0]], [[0]]], dtype=torch.uint8)
    # The luma of red is 0.299; halfway there from 1, 0 and 0.
    expected = torch.tensor([0.6495, 0.1495, 0.1495]).view(3, 1, 1)
    assert_close(seen(coloured, contrast=0.5), expected)


def test_saturation_goes_away_from_each_pixels_brightness() -> None:
    image = torch.tensor([[[200]], [[100]], [[0]]], dtype=torch.uint8)
    luma = 0.299 * 200 + 0.587 * 100
    expected = torch.tensor([luma + 0.6 * (value - luma) for value in (200, 100, 0)]) / 255
    assert_close(seen(image, saturation=0.6), expected.view(3, 1, 1))


@settings(max_examples=60, deadline=None)
@given(
    colour=st.tuples(*[st.integers(0, 255)] * 3),
    turn=st.floats(-0.5, 0.5, allow_subnormal=False, width=32),
)
def test_hues_turn_as_in_the_standard_library(colour: tuple[int, int, int], turn: float) -> None:
    hue, saturation, value = colorsys.rgb_to_hsv(*(number / 255 for number in colour))
    expected = colorsys.hsv_to_rgb((hue + turn) % 1.0, saturation, value)
    image = torch.tensor(colour, dtype=torch.uint8).view(3, 1, 1)
    assert torch.allclose(seen(image, hue=turn).flatten(), torch.tensor(expected), atol=1e-5)


def test_grey_is_the_luma_in_every_channel() -> None:
    image = pixels(3, 4, 4)
    red, green, blue = image.float() / 255
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    assert_close(seen(image, grey=1), luma.expand(3, -1, -1))


@pytest.mark.parametrize("side", [1, 3, 8, 32])
def test_blur_leaves_one_colour_alone(side: int) -> None:
    image = torch.full((3, side, side), 77, dtype=torch.uint8)
    assert_close(seen(image, blur=2.0), torch.full((3, side, side), 77 / 255))


def test_blur_spreads_a_point_as_a_gaussian() -> None:
    image = torch.zeros(1, 31, 31, dtype=torch.uint8)
    image[0, 15, 15] = 255
    blurred = seen(image, blur=1.5)[0]
    profile = torch.tensor([math.exp(-(offset**2) / (2 * 1.5**2)) for offset in range(-15, 16)])
    profile /= profile.sum()
    assert_close(blurred, profile.outer(profile))


def test_almost_no_blur_is_almost_nothing() -> None:
    image = pixels(3, 6, 6)
    assert_close(seen(image, blur=0.1), seen(image))


@pytest.mark.parametrize("channels", [1, 2])
def test_without_colours_there_is_no_colour_to_change(channels: int) -> None:
    image = pixels(channels, 5, 5)
    assert_close(seen(image, saturation=0.6, hue=0.1, grey=1), seen(image))
    assert not torch.allclose(seen(image, brightness=0.8), seen(image), atol=0.01)


# All steps together


def test_steps_come_in_the_order_that_is_told() -> None:
    image = pixels(3, 8, 8)
    steps: list[dict[str, float]] = [
        {"left": 0.2, "top": 0.1, "width": 0.5, "height": 0.7},
        {"brightness": 1.3},
        {"contrast": 1.4},
        {"saturation": 0.7},
        {"hue": 0.1},
        {"blur": 1.2},
        {"flip": 1.0},
    ]
    for extra in ({}, {"grey": 1.0}):
        one_by_one = prepare(image.unsqueeze(0))
        together: dict[str, float] = {}
        for step in [*steps[:5], extra, *steps[5:]]:
            one_by_one = apply(one_by_one, drawn(**step), VIEWS)
            together.update(step)
        at_once = apply(image.unsqueeze(0), drawn(**together), VIEWS)
        torch.testing.assert_close(at_once, one_by_one, atol=1e-5, rtol=0)


def test_colours_change_as_in_torchvision() -> None:
    from torchvision.transforms.v2 import functional as published

    image = pixels(3, 12, 12)
    expected = published.adjust_brightness(image.float() / 255, 1.3)
    expected = published.adjust_contrast(expected, 0.7)
    expected = published.adjust_saturation(expected, 1.2)
    expected = published.adjust_hue(expected, -0.08)
    got = seen(image, brightness=1.3, contrast=0.7, saturation=1.2, hue=-0.08)
    # Its weights of the luma have four digits.
    torch.testing.assert_close(got, expected, atol=2e-3, rtol=0)


@settings(max_examples=20, deadline=None)
@given(
    counts=st.lists(st.integers(1, 4), min_size=2, max_size=4),
    family=st.sampled_from(["mocov1", "mocov2"]),
    channels=st.sampled_from([1, 3]),
)
def test_views_do_not_depend_on_who_is_computed_together(
    counts: list[int], family: str, channels: int
) -> None:
    augmentation = Augmentation(family=family, min_scale=0.08, flip=True)  # type: ignore[arg-type]
    images = [pixels(count, channels, 8, 7, seed=index) for index, count in enumerate(counts)]
    draws = [
        draw(count, augmentation, seeds.generator(0, "views", partition=index))
        for index, count in enumerate(counts)
    ]
    apart = [apply(*pair, augmentation) for pair in zip(images, draws, strict=True)]
    together = apply(torch.cat(images), torch.cat(draws), augmentation)
    assert together.shape == (sum(counts), channels, 8, 7)
    assert together.dtype == torch.float32
    assert bool((together.abs() <= 1 + 1e-6).all())
    torch.testing.assert_close(together, torch.cat(apart), atol=1e-6, rtol=0)


# What is drawn


COUNT = 4000


@pytest.mark.parametrize("min_scale", [0.08, 0.5])
def test_crops_lie_within_the_image_and_have_the_published_shapes(min_scale: float) -> None:
    augmentation = Augmentation("mocov1", min_scale, flip=False)
    left, top, width, height = draw(COUNT, augmentation, seeds.generator(0, "test"))[:, :4].T
    assert bool((torch.stack((left, top)) >= 0).all())
    assert bool((torch.stack((left + width, top + height)) <= 1 + 1e-6).all())
    area, aspect = width * height, width / height
    assert min_scale - 1e-6 <= area.min() < min_scale + 0.01
    assert 0.95 < area.max() <= 1 + 1e-6
    assert 0.75 - 1e-6 <= aspect.min() < 0.76
    assert 1.32 < aspect.max() <= 4 / 3 + 1e-6
    # Log-uniform: as often wide as high, within five standard deviations.
    assert abs((aspect > 1).float().mean() - 0.5) < 5 * 0.5 / COUNT**0.5
    # A corner is anywhere that the crop fits.
    free = left[width < 0.99] / (1 - width[width < 0.99])
    assert abs(free.mean() - 0.5) < 5 * 12**-0.5 / len(free) ** 0.5


def test_a_scale_of_one_crops_nothing() -> None:
    draws = draw(100, Augmentation("mocov2", 1.0, flip=True), seeds.generator(0, "test"))
    assert torch.equal(draws[:, :4], torch.tensor(IDENTITY[:4]).expand(100, -1))


def test_steps_are_drawn_as_often_and_as_strongly_as_published() -> None:
    draws = draw(COUNT, VIEWS, seeds.generator(0, "test"))

    def share(column: Column) -> float:
        return float((draws[:, column] != IDENTITY[column]).float().mean())

    for column, probability in (
        (Column.BRIGHTNESS, 0.8),
        (Column.CONTRAST, 0.8),
        (Column.SATURATION, 0.8),
        (Column.HUE, 0.8),
        (Column.GREY, 0.2),
        (Column.BLUR, 0.5),
        (Column.FLIP, 0.5),
    ):
        deviation = (probability * (1 - probability) / COUNT) ** 0.5
        assert abs(share(column) - probability) < 5 * deviation
    for column, low, high in (
        (Column.BRIGHTNESS, 0.6, 1.4),
        (Column.CONTRAST, 0.6, 1.4),
        (Column.SATURATION, 0.6, 1.4),
        (Column.HUE, -0.1, 0.1),
    ):
        margin = 0.01 * (high - low)
        assert low <= draws[:, column].min() < low + margin
        assert high - margin < draws[:, column].max() <= high
    blurs = draws[:, Column.BLUR][draws[:, Column.BLUR] > 0]
    assert 0.1 <= blurs.min() < 0.12
    assert 1.98 < blurs.max() <= 2.0
    # Jitter strikes a sample's colours all at once or not at all.
    colours = draws[:, Column.BRIGHTNESS : Column.HUE + 1]
    jittered = colours != torch.tensor(IDENTITY[Column.BRIGHTNESS : Column.HUE + 1])
    assert torch.equal(jittered.any(dim=1), jittered.all(dim=1))


def test_the_first_version_has_no_blur_and_flips_can_be_left_out() -> None:
    plain = draw(200, Augmentation("mocov1", 0.08, flip=False), seeds.generator(0, "test"))
    full = draw(200, VIEWS, seeds.generator(0, "test"))
    for column in (Column.BLUR, Column.FLIP):
        assert not plain[:, column].any()
        assert full[:, column].any()
    others = [column for column in Column if column not in {Column.BLUR, Column.FLIP}]
    assert torch.equal(plain[:, others], full[:, others])


def test_draws_come_from_the_generator_alone_and_move_it_by_the_count() -> None:
    def drawn_after(augmentation: Augmentation) -> tuple[Tensor, Tensor]:
        generator = seeds.generator(0, "test")
        draws = draw(5, augmentation, generator)
        return draws, generator.get_state()

    state = torch.get_rng_state()
    first, position = drawn_after(VIEWS)
    again, _ = drawn_after(VIEWS)
    assert torch.equal(first, again)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(drawn_after(Augmentation("mocov1", 1.0, flip=False))[1], position)
    assert not torch.equal(first, draw(5, VIEWS, seeds.generator(1, "test")))
