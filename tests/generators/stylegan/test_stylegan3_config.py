"""Geometry of StyleGAN3 networks: what is stored as JSON, and what is refused."""

import math
from typing import Any

import pytest
from pydantic import ValidationError

from generators.stylegan.stylegan3 import StyleGAN3Config


def geometry(**changes: Any) -> dict[str, Any]:
    layer = {
        "in_channels": 4,
        "out_channels": 4,
        "in_size": 8,
        "out_size": 8,
        "kernel": 1,
        "resampling": {"up": 2, "down": 2, "padding": (11, 10), "up_taps": 12, "down_taps": 12},
    }
    last = {**layer, "out_channels": 3, "resampling": None}
    waves = {"channels": 4, "size": 8, "sampling_rate": 16.0, "bandwidth": 2.0}
    return {"w_dim": 4, "num_ws": 3, "input": waves, "layers": (layer, last), **changes}


def with_layer(place: int, **changes: Any) -> dict[str, Any]:
    layers = list(geometry()["layers"])
    layers[place] = {**layers[place], **changes}
    return geometry(layers=tuple(layers))


def test_a_geometry_survives_json() -> None:
    config = StyleGAN3Config.model_validate(geometry())
    assert StyleGAN3Config.model_validate_json(config.model_dump_json()) == config
    assert config.image_size == 8


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        (geometry(num_ws=2), "expected num_ws of at least 3 for 2 layers, got 2"),
        (geometry(num_ws=10**9), "less than or equal to 256"),
        (geometry(layers=()), "at least 1 item"),
        (with_layer(0, in_channels=5), "expected layer 0 to take 4 channels of 8 pixels, got 5"),
        (with_layer(1, in_channels=5), "expected layer 1 to take 4 channels of 8 pixels, got 5"),
        (with_layer(0, out_size=9), "expected out_size 8 by its filters, got 9"),
        (with_layer(0, kernel=0), "greater than or equal to 1"),
        (with_layer(0, clamp=-1.0), "greater than 0"),
        (with_layer(0, clamp=math.nan), "finite"),
        (with_layer(0, resampling=None), "expected filters in all layers but the last"),
        (with_layer(1, out_channels=4), "expected 3 colours at last, got 4"),
        (
            with_layer(0, in_size=4096, out_size=4096, in_channels=8192),
            "values in a feature map",
        ),
        (
            geometry(input={**geometry()["input"], "bandwidth": 8.0}),
            "expected bandwidth < sampling_rate / 2",
        ),
        (geometry(extra=1), "Extra inputs"),
    ],
)
def test_impossible_geometry_is_refused(changed: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        StyleGAN3Config.model_validate(changed)


@pytest.mark.parametrize(
    "changes",
    [{"up": 0}, {"down": 9}, {"up_taps": 0}, {"down_taps": 10**6}, {"padding": (-(10**9), 0)}],
)
def test_impossible_filters_are_refused(changes: dict[str, Any]) -> None:
    resampling = {**geometry()["layers"][0]["resampling"], **changes}
    with pytest.raises(ValidationError):
        StyleGAN3Config.model_validate(with_layer(0, resampling=resampling))
