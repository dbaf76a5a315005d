"""The CNN for sensor windows."""

import pytest
import torch
from torch.nn import functional

from models import catalogue
from models.sensor import sensor_cnn
from strategies.common.errors import ModelError
from strategies.common.inputs import Windows
from strategies.common.task import Task


@pytest.mark.parametrize(("steps", "width"), [(128, 64 * 26), (28, 64), (512, 64 * 122)])
def test_width(steps: int, width: int) -> None:
    # Two valid convolutions over 9 steps, each halved: 128-120-60-52-26, 28-20-10-2-1,
    # 512-504-252-244-122. 1664 at 128 steps is the published width.
    body = sensor_cnn(Windows(9, steps))
    assert body.width == width
    assert body.network(torch.zeros(2, 9, steps)).shape == (2, width)


def test_it_computes_the_published_layers() -> None:
    network = sensor_cnn(Windows(9, 128)).network
    inputs = torch.rand(2, 9, 128, generator=torch.Generator().manual_seed(1))
    w1, b1, w2, b2 = network.parameters()
    hidden = functional.max_pool1d(functional.conv1d(inputs, w1.squeeze(2), b1).relu(), 2)
    hidden = functional.max_pool1d(functional.conv1d(hidden, w2.squeeze(2), b2).relu(), 2)
    torch.testing.assert_close(network(inputs), hidden.flatten(1))


def test_a_window_trains_with_the_common_width() -> None:
    model = catalogue.build("sensor_cnn", Task(6, Windows(9, 128), 0), 512, seed=1)
    logits = model(torch.rand(2, 9, 128, generator=torch.Generator().manual_seed(1)))
    assert logits.shape == (2, 6)
    logits.sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


@pytest.mark.parametrize("steps", [27, 4097])
def test_too_short_and_too_long_windows_are_refused(steps: int) -> None:
    with pytest.raises(ModelError, match="28 to 4096 steps"):
        catalogue.build("sensor_cnn", Task(6, Windows(9, steps), 0), 512, seed=1)
