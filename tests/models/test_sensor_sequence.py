"""Models for sensor windows whose width does not grow with time."""

import pytest
import torch
from torch.nn import functional

from models import catalogue
from models.sensor_sequence import sensor_gru, sensor_resnet
from strategies.common.inputs import Windows
from strategies.common.task import Task


@pytest.mark.parametrize("steps", [9, 128, 300])
@pytest.mark.parametrize("build", [sensor_resnet, sensor_gru])
def test_the_width_is_the_same_for_every_length(build, steps: int) -> None:
    body = build(Windows(5, steps))
    assert body.width == 128
    assert body.network.eval()(torch.zeros(2, 5, steps)).shape == (2, 128)


def test_a_gated_unit_ends_with_what_it_keeps() -> None:
    network = sensor_gru(Windows(2, 13)).network
    inputs = torch.rand(1, 2, 13, generator=torch.Generator().manual_seed(1))
    convolution, _, unit = network
    # Frames of 9 steps that begin at 0 and 4.
    frames = convolution(inputs).relu()
    assert frames.shape == (1, 64, 2)
    own = unit.unit
    kept = torch.zeros(1, 128)
    for frame in frames.unbind(2):
        given = functional.linear(frame, own.weight_ih_l0, own.bias_ih_l0).chunk(3, 1)
        held = functional.linear(kept, own.weight_hh_l0, own.bias_hh_l0).chunk(3, 1)
        reset, update = ((given[n] + held[n]).sigmoid() for n in (0, 1))
        new = (given[2] + reset * held[2]).tanh()
        kept = (1 - update) * new + update * kept
    torch.testing.assert_close(network(inputs), kept)


def test_a_block_adds_what_it_was_given() -> None:
    block = sensor_resnet(Windows(2, 64)).network[4].eval()
    torch.nn.init.zeros_(block.second_norm.weight)
    inputs = torch.randn(2, 32, 10, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(block(inputs), inputs.relu())


@pytest.mark.parametrize("name", ["sensor_resnet", "sensor_gru"])
def test_it_learns_which_way_a_ramp_runs(name: str) -> None:
    labels = torch.arange(8) % 2
    noise = torch.randn(8, 1, 32, generator=torch.Generator().manual_seed(2)) * 0.2
    ramps = torch.linspace(-1, 1, 32) * (2 * labels[:, None, None] - 1) + noise
    model = catalogue.build(name, Task(2, Windows(1, 32), 0), 16, seed=3)
    optimiser = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    for _ in range(30):
        loss = functional.cross_entropy(model(ramps), labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    # Guessing costs log(2) = 0.69.
    assert loss.item() < 0.2
