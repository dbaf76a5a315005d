"""Local: it learns, and nothing travels."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from strategies.common import tensor_file
from strategies.common.inputs import Images
from strategies.common.message import NoState
from strategies.common.round import Phase
from strategies.common.run_config import read_table
from strategies.common.settings import RunSettings
from strategies.common.task import Task
from strategies.common.transport.state import load_tensors, to_tensors
from strategies.local.settings import LocalSettings
from tests.strategies.fake_device import FakeDevice, blobs
from tests.strategies.halves import client, server

CLASSES = (0, 1, 2)


@pytest.fixture
def device(run_settings: Callable[..., RunSettings]) -> FakeDevice:
    inputs, labels = blobs(12, CLASSES)
    test_inputs, test_labels = blobs(10, CLASSES, seed=1)
    settings = run_settings(learning_rate=0.05, batch_size=6, local_epochs=2)
    return FakeDevice(inputs, labels, test_inputs, test_labels, 3, 8, settings)


def test_a_client_learns_alone(device: FakeDevice) -> None:
    half = client("local")
    state = half.start(device)
    before = half.evaluate(device, state, None)
    first = half.train(device, state, None)
    for round_number in range(2, 7):
        last = half.train(replace(device, round_number=round_number), state, None)
    after = half.evaluate(device, state, None)
    assert last.uplink is None
    assert last.losses["total"] < first.losses["total"] / 2
    assert after.loss < before.loss / 2
    # 30 test samples of three well separated blobs.
    assert after.correct >= 27


def test_the_first_step_is_plain_gradient_descent_on_cross_entropy(device: FakeDevice) -> None:
    whole = replace(
        device, settings=device.settings.model_copy(update={"batch_size": 36, "local_epochs": 1})
    )
    half = client("local")
    state = half.start(whole)
    bias = state.model.head.bias.detach().clone()
    with torch.no_grad():
        outputs = state.model(device.inputs).softmax(1)
    trained = half.train(whole, state, None)
    # The gradient of the bias is the mean of softmax minus one-hot; classes are balanced, so
    # that the one-hot vectors average to 1/3. The step is 0.05 of it.
    expected = bias - 0.05 * (outputs.mean(0) - 1 / 3)
    torch.testing.assert_close(state.model.head.bias, expected)
    truth = outputs[torch.arange(36), device.labels]
    assert trained.losses["total"] == pytest.approx(-truth.log().mean().item(), rel=1e-5)


def test_a_stored_state_goes_on_where_it_stopped(device: FakeDevice, tmp_path: Path) -> None:
    half = client("local")
    state = half.start(device)
    half.train(device, state, None)
    tensor_file.write(tmp_path / "state.safetensors", to_tensors(state), {})
    later = replace(device, round_number=2)
    resumed = half.start(later)
    load_tensors(resumed, tensor_file.read(tmp_path / "state.safetensors")[0])
    assert half.train(later, state, None) == half.train(later, resumed, None)
    assert half.evaluate(later, state, None) == half.evaluate(later, resumed, None)


def test_the_server_sends_keeps_and_expects_nothing(tmp_path: Path) -> None:
    # Features of unlike widths (0) are no obstacle.
    half = server("local", Task(3, Images(1, 4, 4), feature_dim=0))
    state = half.start()
    assert state == NoState()
    assert half.broadcast(state) is None
    assert half.personal(state, 0) is None
    assert half.aggregate(state, 1, []).diagnostics == {}
    assert half.phase(1) == client("local").phase(1) == Phase(up=None, down=None)
    tensor_file.write(tmp_path / "state.safetensors", to_tensors(state), {})
    load_tensors(state, tensor_file.read(tmp_path / "state.safetensors")[0])


def test_its_table_is_empty() -> None:
    assert read_table({"method": "local"}, "local", LocalSettings) == LocalSettings()
