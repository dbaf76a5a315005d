"""Batch size by free memory."""

import pytest
import torch

from generators.memory import fitting, measure


@pytest.mark.parametrize(
    ("free_bytes", "bytes_per_image", "expected"),
    [
        # Four fifths of free memory hold 8, 7, 0, 800 and none of nothing.
        (100, 10, 8),
        (999, 100, 4),
        (100, 100, 1),
        (1000, 1, 32),
        (0, 0, 1),
    ],
)
def test_a_power_of_two_fits(free_bytes: int, bytes_per_image: int, expected: int) -> None:
    assert fitting(free_bytes, bytes_per_image) == expected


def test_one_image_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    device = torch.device("cuda")
    events: list[str] = []
    # Weights take 1000 bytes, one image 50 more at its peak; 1000 bytes are free after it.
    monkeypatch.setattr("torch.cuda.reset_peak_memory_stats", lambda _: events.append("reset"))
    monkeypatch.setattr("torch.cuda.memory_allocated", lambda _: 1000)
    monkeypatch.setattr("torch.cuda.max_memory_allocated", lambda _: 1050)
    monkeypatch.setattr("torch.cuda.empty_cache", lambda: events.append("empty"))
    monkeypatch.setattr("torch.cuda.mem_get_info", lambda _: (1000, 2050))
    assert measure(lambda: events.append("draw"), device) == 16
    assert events == ["reset", "draw", "empty"]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_what_was_measured_fits() -> None:
    device = torch.device("cuda")
    # A sixteenth of what is free: with a share of 0.8 twelve fit, in powers of two 8.
    size = torch.cuda.mem_get_info(device)[0] // 16
    assert measure(lambda: torch.empty(size, dtype=torch.uint8, device=device), device) == 8
