"""Numbers and words on what images look like."""

import pytest
import torch
from torch import Tensor

from generators.appearance import appearance
from strategies.common import seeds


def waves(count: int) -> Tensor:
    """Smooth pictures that differ."""
    line = torch.linspace(0, 6, 32)
    grid = torch.sin(line[:, None] + 0.5 * line + torch.arange(count)[:, None, None, None])
    return (grid * 100 + 128).expand(count, 3, 32, 32).to(torch.uint8)


def test_numbers_by_hand() -> None:
    # In each channel (0, 100) above (0, 100); the second picture is all 100.
    first = torch.tensor([[0, 100], [0, 100]], dtype=torch.uint8).expand(3, 2, 2)
    images = torch.stack([first, torch.full((3, 2, 2), 100, dtype=torch.uint8)])

    found = appearance(images)

    assert found.brightness == pytest.approx(75)
    # 50 within the first, 0 within the second.
    assert found.contrast == pytest.approx(25)
    # Steps of 100 between two of eight neighbours, in each channel.
    assert found.sharpness == pytest.approx(25)
    assert found.clipped == pytest.approx(0.25)
    # Half of the values differ by 100.
    assert found.distance == pytest.approx(100 * 0.5**0.5)


def test_pictures_raise_no_doubt() -> None:
    assert appearance(waves(5)).doubts() == ()


def test_one_picture_has_no_distance() -> None:
    found = appearance(waves(1))

    assert found.distance is None
    assert found.doubts() == ()


@pytest.mark.parametrize(
    ("kind", "told"),
    [("flat", "are flat"), ("noise", "look like noise"), ("bright", "saturated"), ("one", "alike")],
)
def test_what_cannot_be_right_is_said(kind: str, told: str) -> None:
    noise = torch.randn(4, 3, 32, 32, generator=seeds.generator(0, "test"))
    images = {
        "flat": torch.arange(4)[:, None, None, None].expand(4, 3, 32, 32) * 40,
        "noise": (noise * 40 + 128).clamp(1, 254),
        "bright": (waves(4).float() * 4 - 240).clamp(0, 255),
        "one": waves(1).expand(4, 3, 32, 32),
    }[kind]

    (doubt,) = appearance(images.to(torch.uint8)).doubts()

    assert told in doubt
