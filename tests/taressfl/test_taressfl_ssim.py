"""Structural similarity."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from strategies.common.errors import ModelError
from taressfl.ssim import ssim, window_size


def images(count: int, channels: int, side: int, seed: int = 0) -> Tensor:
    return torch.rand(
        count, channels, side, side, generator=torch.Generator().manual_seed(seed)
    ).double()


def by_loops(first: Tensor, second: Tensor, size: int) -> float:
    """SSIM of two planes, position by position, straight from eq. 13 to 16 of the paper."""
    spread = 1.5 * size / 11
    raw = [
        [
            math.exp(-((i - size // 2) ** 2 + (j - size // 2) ** 2) / (2 * spread**2))
            for j in range(size)
        ]
        for i in range(size)
    ]
    total = sum(map(sum, raw))
    height, width = first.shape
    found = []
    for top in range(height - size + 1):
        for left in range(width - size + 1):
            cells = [
                (
                    raw[i][j] / total,
                    float(first[top + i, left + j]),
                    float(second[top + i, left + j]),
                )
                for i in range(size)
                for j in range(size)
            ]
            mean_x = sum(w * x for w, x, _ in cells)
            mean_y = sum(w * y for w, _, y in cells)
            var_x = sum(w * (x - mean_x) ** 2 for w, x, _ in cells)
            var_y = sum(w * (y - mean_y) ** 2 for w, _, y in cells)
            cov = sum(w * (x - mean_x) * (y - mean_y) for w, x, y in cells)
            found.append(
                (2 * mean_x * mean_y + 1e-4)
                * (2 * cov + 9e-4)
                / ((mean_x**2 + mean_y**2 + 1e-4) * (var_x + var_y + 9e-4))
            )
    return sum(found) / len(found)


@pytest.mark.parametrize(("side", "size"), [(8, 5), (13, 7), (18, 11)])
def test_agrees_with_plain_loops(side: int, size: int) -> None:
    first, second = images(2, 2, side, seed=0), images(2, 2, side, seed=1)
    second = 0.7 * first + 0.3 * second

    expected = [
        sum(by_loops(first[n, c], second[n, c], size) for c in range(2)) / 2 for n in range(2)
    ]

    assert window_size(side, side) == size
    assert ssim(first, second).tolist() == pytest.approx(expected, abs=1e-9)


def test_flat_images_by_hand() -> None:
    # Without any contrast the structure term is C2 / C2 = 1, and the luminance term is
    # (2 * 0.2 * 0.6 + C1) / (0.2^2 + 0.6^2 + C1) = 0.2401 / 0.4001.
    first, second = torch.full((1, 1, 20, 20), 0.2), torch.full((1, 1, 20, 20), 0.6)

    assert ssim(first, second).item() == pytest.approx(0.2401 / 0.4001, abs=1e-4)


@given(
    seed=st.integers(0, 2**32 - 1),
    channels=st.integers(1, 3),
    side=st.integers(5, 20),
)
@settings(max_examples=25, deadline=None)
def test_an_image_is_most_like_itself(seed: int, channels: int, side: int) -> None:
    first, second = images(3, channels, side, seed), images(3, channels, side, seed + 1)

    assert ssim(first, first).tolist() == pytest.approx([1.0] * 3, abs=1e-9)
    assert ssim(first, second).tolist() == pytest.approx(ssim(second, first).tolist(), abs=1e-9)
    assert bool((ssim(first, second) < 1).all())


def test_each_pair_stands_alone() -> None:
    first, second = images(4, 1, 8, seed=0), images(4, 1, 8, seed=1)

    alone = torch.cat([ssim(first[i : i + 1], second[i : i + 1]) for i in range(4)])

    assert torch.allclose(ssim(first, second), alone, atol=1e-12)


def test_its_gradient_leads_to_the_image() -> None:
    target, found = images(1, 1, 8), torch.full((1, 1, 8, 8), 0.5, dtype=torch.double)
    found = (found + 0.01 * images(1, 1, 8, seed=2)).requires_grad_()
    before = float(ssim(found.detach(), target).mean())
    optimiser = torch.optim.Adam([found], 0.02)
    for _ in range(60):
        optimiser.zero_grad()
        (-ssim(found, target).mean()).backward()
        optimiser.step()

    assert before < 0.5
    assert float(ssim(found.detach(), target).mean()) > 0.9


def test_the_window_shrinks_with_the_image_and_never_below_three() -> None:
    assert [window_size(side, 32) for side in (5, 6, 8, 9, 16, 17, 28, 224)] == [
        *(3, 3, 5, 5, 9, 11, 11, 11)
    ]
    with pytest.raises(ModelError, match="at least 5 x 5 pixels, got 4 x 32"):
        window_size(4, 32)
