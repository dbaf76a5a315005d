"""The device half of FD: what it minimises and what it sends."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from strategies.common import tensor_file
from strategies.common.settings import RunSettings
from strategies.common.transport.state import load_tensors, to_tensors
from strategies.fd.wire import SoftLabels, Teacher
from tests.strategies.fake_device import FakeDevice, blobs
from tests.strategies.halves import client, replies, run_of, server


@pytest.fixture
def device(run_settings: Callable[..., RunSettings]) -> FakeDevice:
    # Class 1 of three is not held here.
    inputs, labels = blobs(12, (0, 2))
    test_inputs, test_labels = blobs(10, (0, 2), seed=1)
    settings = run_settings(learning_rate=0.05, batch_size=24, local_epochs=1)
    return FakeDevice(inputs, labels, test_inputs, test_labels, 3, 8, settings)


def test_it_sends_the_outputs_met_while_training(device: FakeDevice) -> None:
    half = client("fd")
    state = half.start(device)
    # One batch of all 24 samples: the outputs met are those of the fresh model.
    with torch.no_grad():
        outputs = state.model(device.inputs).softmax(1)
    sent = half.train(device, state, None).uplink
    assert sent is not None
    assert sent.labels.tolist() == [0, 2]
    for row, label in zip(sent.rows, (0, 2), strict=True):
        torch.testing.assert_close(row, outputs[device.labels == label].mean(0))


def test_every_step_of_a_round_counts_and_none_of_the_round_before(device: FakeDevice) -> None:
    """Check 6."""
    half = client("fd")
    twice = replace(device, settings=device.settings.model_copy(update={"local_epochs": 2}))
    both, steps = half.start(device), half.start(device)
    sent = half.train(twice, both, None).uplink
    # Two rounds of one step each are the two steps of the other: full batches have no order.
    singles = [half.train(device, steps, None).uplink for _ in range(2)]
    assert sent is not None
    assert singles[0] is not None
    assert singles[1] is not None
    mean = (singles[0].rows + singles[1].rows) / 2
    torch.testing.assert_close(sent.rows, mean)
    assert not torch.allclose(singles[0].rows, singles[1].rows)


@pytest.mark.parametrize(
    ("weight", "downlink"), [(5.0, None), (0.0, Teacher(torch.eye(3), torch.arange(3)))]
)
def test_without_teacher_or_weight_it_is_local_learning(
    device: FakeDevice, weight: float, downlink: Teacher | None
) -> None:
    """Check 3: no teacher before the first round came to an end."""
    half, local = client("fd", distillation_weight=weight), client("local")
    state, alone = half.start(device), local.start(device)
    losses = half.train(device, state, downlink).losses
    assert losses["total"] == local.train(device, alone, None).losses["total"]
    assert torch.equal(state.model.head.weight, alone.model.head.weight)
    assert half.evaluate(device, state, downlink) == local.evaluate(device, alone, None)


def test_the_total_loss_adds_the_weighted_distillation(device: FakeDevice) -> None:
    half = client("fd", distillation_weight=3.0)
    state = half.start(device)
    teacher = Teacher(torch.tensor([[0.5, 0.25, 0.25]]), torch.tensor([2]))
    with torch.no_grad():
        logs = state.model(device.inputs).log_softmax(1)
    losses = half.train(device, state, teacher).losses
    # Label 2 has a teacher, label 0 has none; the mean runs over all 24 samples.
    soft = -(logs[device.labels == 2] * torch.tensor([0.5, 0.25, 0.25])).sum().item() / 24
    hard = -logs[torch.arange(24), device.labels].mean().item()
    assert losses["distillation"] == pytest.approx(soft, rel=1e-5)
    assert losses["cross_entropy"] == pytest.approx(hard, rel=1e-5)
    assert losses["total"] == pytest.approx(hard + 3 * soft, rel=1e-5)


def test_outputs_follow_the_teacher(device: FakeDevice) -> None:
    teacher = Teacher(torch.tensor([[0.4, 0.6, 0.0]]), torch.tensor([0]))
    many_steps = device.settings.model_copy(update={"batch_size": 6, "local_epochs": 20})
    device = replace(device, settings=many_steps)
    shares = []
    for downlink in (None, teacher):
        half = client("fd", distillation_weight=4.0)
        state = half.start(device)
        for round_number in range(1, 6):
            half.train(replace(device, round_number=round_number), state, downlink)
        with torch.no_grad():
            outputs = state.model(device.inputs[device.labels == 0]).softmax(1)
        shares.append(outputs[:, 1].mean().item())
    # Class 1 never occurs here; only the others can tell that label 0 resembles it. The
    # minimum of CE + 4 CE(teacher) gives class 1 a share of 4 * 0.6 / 5 = 0.48.
    assert shares[0] < 0.1
    assert shares[1] > 0.35


def test_a_stored_state_goes_on_where_it_stopped(device: FakeDevice, tmp_path: Path) -> None:
    half = client("fd")
    state = half.start(device)
    half.train(device, state, None)
    tensor_file.write(tmp_path / "state.safetensors", to_tensors(state), {})
    later = replace(device, round_number=2)
    resumed = half.start(later)
    load_tensors(resumed, tensor_file.read(tmp_path / "state.safetensors")[0])
    teacher = Teacher(torch.full((3, 3), 1 / 3), torch.arange(3))
    first, second = half.train(later, state, teacher), half.train(later, resumed, teacher)
    assert first.losses == second.losses
    assert first.uplink is not None
    assert second.uplink is not None
    assert torch.equal(first.uplink.rows, second.uplink.rows)


def test_a_federation_of_two_learns(run_settings: Callable[..., RunSettings]) -> None:
    run = run_settings(learning_rate=0.05, batch_size=6, local_epochs=1)
    held = ((0, 1), (1, 2))
    devices = [
        FakeDevice(*blobs(12, own), *blobs(10, own, seed=1), 3, width, run, partition=partition)
        for partition, (own, width) in enumerate(zip(held, (8, 12), strict=True))
    ]
    device_half, server_half = client("fd", devices[0].task), server("fd", devices[0].task, run)
    states, state = [device_half.start(d) for d in devices], server_half.start()
    history = []
    for round_number in range(1, 9):
        uplinks: dict[int, SoftLabels] = {}
        correct, loss = 0, 0.0
        for partition, device in enumerate(devices):
            now = replace(device, round_number=round_number)
            sent = server_half.personal(state, partition)
            trained = device_half.train(now, states[partition], sent)
            assert trained.uplink is not None
            assert trained.uplink.fault(device_half.agreed) is None
            uplinks[partition] = trained.uplink
            loss += trained.losses["cross_entropy"]
            correct += device_half.evaluate(now, states[partition], sent).correct
        said = server_half.aggregate(state, round_number, replies(uplinks))
        history.append(loss)
    # Only label 1 is shared, and devices of unlike widths can exchange; 40 test samples.
    assert said.diagnostics["shared_labels"] == 1
    assert history[-1] < history[0] / 2
    assert correct >= 36


def test_outputs_can_weigh_by_the_step_that_they_are_of() -> None:
    """Check 10: of two steps, the second counts twice."""
    sent = {}
    for weighting in ("equal", "linear"):
        x, y = blobs(2, [0])
        run = run_of("fd", batch_size=2, local_epochs=2, learning_rate=5.0)
        device = FakeDevice(x, y, x, y, 3, 5, run)
        half = client("fd", device.task, run, time_weighting=weighting)
        sent[weighting] = half.train(device, half.start(device), None).uplink.rows
    x, y = blobs(2, [0])
    device = FakeDevice(x, y, x, y, 3, 5, run_of("fd", batch_size=2, learning_rate=5.0))
    half = client("fd", device.task, device.settings)
    first = half.train(device, half.start(device), None).uplink.rows
    second = 2 * sent["equal"] - first
    assert not torch.allclose(first, second, atol=1e-2)
    torch.testing.assert_close(sent["linear"], (first + 2 * second) / 3)
