"""What the server intercepts."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_taressfl import CPU, Value, bars, plain_front

from strategies.common.errors import DataError
from strategies.common.run_config import read_table
from strategies.common.samples import prepare
from strategies.common.split.settings import SplitSettings
from taressfl.intercept import as_sent, intercept, to_unit, travelled


def test_latents_are_those_of_the_network_inputs_and_images_are_pixels() -> None:
    inputs = bars(5)
    front = plain_front()

    pairs = intercept(front, inputs, as_sent, CPU)

    assert torch.allclose(pairs.images, inputs / 255, atol=1e-6)
    assert torch.allclose(pairs.latents, front(prepare(inputs)).detach(), atol=1e-6)
    assert not pairs.latents.requires_grad


@given(level=st.floats(-1, 1, width=32))
@settings(max_examples=20, deadline=None)
def test_inputs_come_back_to_pixels(level: float) -> None:
    found = to_unit(torch.full((1, 1, 5, 5), level))

    assert found.flatten().tolist() == pytest.approx([(level + 1) / 2] * 25, abs=1e-6)


def test_data_that_are_no_images_are_refused() -> None:
    with pytest.raises(DataError, match=r"expected images scaled to \[-1, 1\], got values from"):
        intercept(plain_front(), 3 * torch.randn(4, 1, 8, 8), as_sent, CPU)


@pytest.mark.parametrize(
    ("codec", "largest"), [("float32", 0.0), ("float16", 2**-11), ("uint8", 1 / 254)]
)
def test_latents_are_attacked_as_they_travel(
    config: dict[str, Value], codec: str, largest: float
) -> None:
    split = read_table({**config, "split.codec": codec}, "split", SplitSettings)
    inputs = bars(6)

    exact = intercept(plain_front(), inputs, as_sent, CPU).latents
    found = intercept(plain_front(), inputs, travelled(split), CPU).latents

    peaks = exact.abs().amax((2, 3), keepdim=True)
    assert bool(((found - exact).abs() <= largest * peaks * 1.001).all())
    assert torch.equal(found, exact) == (codec == "float32")
