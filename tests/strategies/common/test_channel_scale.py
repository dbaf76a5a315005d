"""Mean 0 and deviation 1 in each channel, whatever its unit."""

import pytest
import torch
from torch import nn

from strategies.common.channel_scale import ChannelScale, Normalised
from strategies.common.errors import StoreError

# Channel 0 holds 1, 3, 5, 7: mean 4, deviation sqrt((9 + 1 + 1 + 9) / 4) = sqrt(5). Channel 1
# never varies.
WINDOWS = torch.tensor([[[1.0, 3.0], [6.0, 6.0]], [[5.0, 7.0], [6.0, 6.0]]])


def test_mean_and_deviation_are_of_all_steps_of_all_windows() -> None:
    scale = ChannelScale.of(WINDOWS)
    assert scale.mean.tolist() == [4.0, 6.0]
    assert scale.deviation.tolist() == pytest.approx([5**0.5, 1.0])
    found = scale(WINDOWS)
    assert found[:, 0].flatten().tolist() == pytest.approx([n / 5**0.5 for n in (-3, -1, 1, 3)])
    assert found[:, 1].eq(0).all()


def test_other_windows_are_measured_by_the_same_scale() -> None:
    found = ChannelScale.of(WINDOWS)(torch.tensor([[[4.0], [8.0]]]))
    # A channel that never varied is divided by 1.
    assert found.flatten().tolist() == [0.0, 2.0]


@pytest.mark.parametrize("value", [0.1, -1e30, 1e-42, 0.0])
def test_a_constant_channel_gives_numbers_whatever_rounding_does(value: float) -> None:
    windows = torch.full((7, 1, 13), value)
    scale = ChannelScale.of(windows)
    assert scale.deviation.tolist() == [1.0]
    assert scale(windows).abs().max() <= abs(value) * 1e-6


def test_a_channel_that_hardly_varies_divides_by_nothing_that_single_precision_drops() -> None:
    windows = torch.tensor([[[0.0, 1e-42]]])
    assert bool(torch.isfinite(ChannelScale.of(windows)(windows)).all())


def test_large_readings_do_not_overflow() -> None:
    # Their squares are beyond single precision.
    windows = torch.tensor([[[-1e30, 1e30]]])
    assert ChannelScale.of(windows)(windows).flatten().tolist() == pytest.approx([-1.0, 1.0])


def test_what_is_kept_comes_back_and_anything_else_is_refused() -> None:
    scale = ChannelScale.of(WINDOWS)
    again = ChannelScale.kept(scale.state_dict(), 2)
    assert torch.equal(again(WINDOWS), scale(WINDOWS))
    for tensors, channels in (({}, 2), (scale.state_dict(), 3)):
        with pytest.raises(StoreError, match=r"expected mean and deviation of the . channels"):
            ChannelScale.kept(tensors, channels)


def test_nothing_of_it_is_learnt_and_a_network_behind_it_reads_what_it_gives() -> None:
    scale = ChannelScale.of(WINDOWS)
    network = nn.Flatten()
    whole = Normalised(scale, network)
    assert list(whole.parameters()) == []
    assert sorted(whole.state_dict()) == ["scale.deviation", "scale.mean"]
    assert torch.equal(whole(WINDOWS), network(scale(WINDOWS)))
