"""FedMRL: what stays on a device, what travels, and which widths fit."""

import pytest
import torch

from strategies.common.errors import ModelError
from strategies.common.transport.state import load_tensors, to_tensors
from strategies.fedmrl.wire import SmallModel
from tests.strategies import halves
from tests.strategies.fake_device import FakeDevice, blobs


def device_of(round_number: int = 1, **settings: float) -> FakeDevice:
    x, y = blobs(4, [0, 1, 2], shape=(1, 8, 8))
    run = halves.run_of("fedmrl", **{"learning_rate": 0.1, "feature_dim": 5, **settings})
    return FakeDevice(x, y, x, y, 3, 5, run, round_number=round_number)


def test_the_projection_is_learnt_and_kept_unless_it_is_to_be_fresh() -> None:
    """HtFLlib never saves it: each round, and each test, begins with the first one."""
    device, moved = device_of(), {}
    for projection in ("kept", "fresh"):
        own = {"shared_dim": 3, "projection": projection}
        half = halves.client("fedmrl", device.task, device.settings, **own)
        state = half.start(device)
        began = state.projection.weight.detach().clone()
        half.train(device, state, None)
        moved[projection] = float((state.projection.weight.detach() - began).abs().max())
        tested = half.classifier(device, state, None)
        assert torch.equal(tested.projection.weight, state.projection.weight)
    assert moved["kept"] > 1e-4
    assert moved["fresh"] == 0.0


def test_lengths_follow_from_the_small_models_own_width() -> None:
    device = device_of()
    small, wide = (
        SmallModel.sizes(
            halves.agreed("fedmrl", device.task, device.settings, model="cnn", shared_dim=width)
        ).exact["parameters"]
        for width in (2, 4)
    )
    # The head alone has a weight more for each class and feature; the body is pooled.
    assert wide - small == 3 * 2


def test_features_that_are_fewer_than_the_small_models_are_refused() -> None:
    device = device_of()
    half = halves.client("fedmrl", device.task, device.settings, shared_dim=6)
    with pytest.raises(ModelError, match=r"fedmrl\.shared-dim: expected at most the 5 features"):
        half.start(device)


def test_a_state_goes_on_where_it_was_left() -> None:
    device = device_of(momentum=0.9)
    half = halves.client("fedmrl", device.task, device.settings, shared_dim=3)
    state = half.start(device)
    half.train(device, state, None)
    # Moments of the model and of its projection go on; the small model's end with the round.
    assert {name.partition("/")[0] for name in state.moments} == {"model", "projection"}
    again = half.start(device)
    load_tensors(again, to_tensors(state))
    ends = [
        half.train(device_of(2, momentum=0.9), one, None).uplink.parameters
        for one in (state, again)
    ]
    torch.testing.assert_close(ends[0], ends[1])
