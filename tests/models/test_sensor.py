"""The CNNs for sensor windows."""

import pytest
import torch
from torch.nn import functional

from models import catalogue, sensor
from models.sensor import sensor_cnn
from strategies.common.errors import ModelError
from strategies.common.inputs import Windows
from strategies.common.task import Task

FEWEST = {
    "sensor_cnn": 28,
    "sensor_cnn1": 10,
    "sensor_cnn3": 64,
    "sensor_strided": 33,
    "sensor_resnet": 8,
    "sensor_gru": 9,
}


@pytest.mark.parametrize(("steps", "width"), [(128, 64 * 26), (28, 64), (512, 64 * 122)])
def test_width(steps: int, width: int) -> None:
    # Two valid convolutions over 9 steps, each halved: 128-120-60-52-26, 28-20-10-2-1,
    # 512-504-252-244-122. 1664 at 128 steps is the published width.
    body = sensor_cnn(Windows(9, steps))
    assert body.width == width
    assert body.network(torch.zeros(2, 9, steps)).shape == (2, width)


@pytest.mark.parametrize(
    ("name", "steps", "width"),
    [
        # One block, 128-120-60 and 10-2-1; three, 128-120-60-52-26-18-9 and 64-56-28-20-10-2-1.
        *(("sensor_cnn1", 128, 32 * 60), ("sensor_cnn1", 10, 32)),
        *(("sensor_cnn3", 128, 128 * 9), ("sensor_cnn3", 64, 128)),
        # Strides 1, 2 and 3: 128-120-56-16, of 111 // 2 and 47 // 3 further positions; 33-25-9-1.
        *(("sensor_strided", 128, 128 * 16), ("sensor_strided", 33, 128)),
    ],
)
def test_the_widths_of_others(name: str, steps: int, width: int) -> None:
    body = getattr(sensor, name)(Windows(3, steps))
    assert body.width == width
    assert body.network(torch.zeros(2, 3, steps)).shape == (2, width)


def test_it_computes_the_published_layers() -> None:
    network = sensor_cnn(Windows(9, 128)).network
    inputs = torch.rand(2, 9, 128, generator=torch.Generator().manual_seed(1))
    w1, b1, w2, b2 = network.parameters()
    hidden = functional.max_pool1d(functional.conv1d(inputs, w1.squeeze(2), b1).relu(), 2)
    hidden = functional.max_pool1d(functional.conv1d(hidden, w2.squeeze(2), b2).relu(), 2)
    torch.testing.assert_close(network(inputs), hidden.flatten(1))


def test_strides_take_the_place_of_pooling() -> None:
    network = sensor.sensor_strided(Windows(2, 40)).network
    inputs = torch.rand(2, 2, 40, generator=torch.Generator().manual_seed(1))
    w1, b1, w2, b2, w3, b3 = network.parameters()
    hidden = functional.conv1d(inputs, w1, b1).relu()
    hidden = functional.conv1d(hidden, w2, b2, stride=2).relu()
    hidden = functional.conv1d(hidden, w3, b3, stride=3).relu()
    torch.testing.assert_close(network(inputs), hidden.flatten(1))


@pytest.mark.parametrize("name", FEWEST)
@pytest.mark.parametrize("channels", [1, 9])
def test_a_window_trains_with_the_common_width(name: str, channels: int) -> None:
    model = catalogue.build(name, Task(6, Windows(channels, 128), 0), 512, seed=1)
    logits = model(torch.rand(2, channels, 128, generator=torch.Generator().manual_seed(1)))
    assert logits.shape == (2, 6)
    functional.cross_entropy(logits, torch.tensor([0, 1])).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


@pytest.mark.parametrize(("name", "fewest"), FEWEST.items())
def test_ranges_are_exact(name: str, fewest: int) -> None:
    for steps in (fewest, 4096):
        # Shapes alone, but for the recurrent unit, which computes as many steps as there are.
        with torch.device("meta"):
            model = catalogue.build(name, Task(6, Windows(3, steps), 0), 0, seed=1)
        model.eval()
        widths: list[int] = []
        model.body.register_forward_hook(
            lambda _, __, out, found=widths: found.append(out.shape[1])
        )
        assert model(torch.empty(2, 3, steps, device="meta")).shape == (2, 6)
        assert widths == [model.feature_dim]
    for steps in (fewest - 1, 4097):
        with pytest.raises(ModelError, match=rf"'{name}': .*of {fewest} to 4096 steps"):
            catalogue.build(name, Task(6, Windows(3, steps), 0), 512, seed=1)
    # Below it nothing is left: a lower bound would be a lie.
    module = __import__(f"models.{catalogue.MODELS[name][0]}", fromlist=[name])
    with pytest.raises((RuntimeError, ValueError)):
        getattr(module, name)(Windows(3, fewest - 1)).network(torch.zeros(2, 3, fewest - 1))
