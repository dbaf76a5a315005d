"""DS-FL on a device: what it learns from, in which order, and what it says."""

import copy

import torch
from torch import Tensor, nn
from torch.nn import functional

from strategies.common.open_data import drawn
from strategies.common.samples import prepare
from strategies.dsfl.wire import Consensus
from tests.strategies import halves
from tests.strategies.fake_device import FakeDevice, blobs


def with_batch_norm(values: int, width: int) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(values, width), nn.BatchNorm1d(width), nn.ReLU())


def device_of(round_number: int = 1, *, batch_norm: bool = False, **settings: float) -> FakeDevice:
    x, y = blobs(6, [0, 1, 2])
    opened, _ = blobs(4, [0, 1, 2], seed=7)
    run = halves.run_of("dsfl", learning_rate=0.1, batch_size=6, open_data="digits", **settings)
    device = FakeDevice(x, y, x, y, 3, 5, run, round_number=round_number, open_inputs=opened)
    if not batch_norm:
        return device
    return FakeDevice(
        x, y, x, y, 3, 5, run, round_number=round_number, open_inputs=opened, body=with_batch_norm
    )


def consensus(round_number: int, count: int) -> Consensus:
    rows = torch.rand(count, 3, generator=torch.Generator().manual_seed(0)).softmax(1)
    return Consensus(rows, torch.tensor([round_number]), None, None)


def test_a_round_is_distillation_then_labels_then_an_answer() -> None:
    device = device_of(round_number=2)
    own = {"samples_per_round": 8, "distill_batch_size": 4, "distill_epochs": 2}
    half = halves.client("dsfl", device.task, device.settings, distill_learning_rate=0.3, **own)
    state, told = half.start(device), consensus(1, 8)
    w = copy.deepcopy(state.model)
    trained = half.train(device, state, told)

    def step(loss: Tensor, rate: float) -> None:
        gradients = torch.autograd.grad(loss, list(w.parameters()))
        with torch.no_grad():
            for parameter, gradient in zip(w.parameters(), gradients, strict=True):
                parameter.sub_(rate * gradient)

    # Distil the samples of round 1, which the consensus is about.
    asked = device.open_data.inputs[drawn(device.open_data.told, 8, device.settings.seed, 1)]
    order = device.generator("distillation")
    for _ in range(2):
        for b in torch.randperm(8, generator=order).split(4):
            step(functional.cross_entropy(w(asked[b]), told.rows[b]), 0.3)
    for b in torch.randperm(18, generator=device.generator("batches")).split(6):
        step(functional.cross_entropy(w(device.inputs[b]), device.labels[b]), 0.1)
    torch.testing.assert_close(state.model.state_dict(), w.state_dict())
    # Speak about the samples of round 2.
    asked = device.open_data.inputs[drawn(device.open_data.told, 8, device.settings.seed, 2)]
    torch.testing.assert_close(trained.uplink.rows, w(asked).softmax(1).detach())
    assert trained.losses.keys() == {"total", "distillation"}


def test_the_first_round_learns_from_labels_alone() -> None:
    device = device_of()
    half = halves.client("dsfl", device.task, device.settings)
    trained = half.train(device, half.start(device), None)
    assert trained.losses.keys() == {"total"}
    assert trained.uplink.rows.shape == (12, 3)


def test_answering_leaves_statistics_as_they_are() -> None:
    """Checks 24: predictions are made in evaluation mode."""
    device = device_of(batch_norm=True)
    half = halves.client("dsfl", device.task, device.settings)
    state = half.start(device)
    trained = half.train(device, state, None)
    before = copy.deepcopy(state.model.state_dict())
    state.model.eval()
    expected = state.model(prepare(device.open_data.inputs)).softmax(1)
    torch.testing.assert_close(trained.uplink.rows, expected.detach())
    torch.testing.assert_close(state.model.state_dict(), before, rtol=0, atol=0)


def test_all_are_asked_about_the_same_samples_in_the_same_order() -> None:
    """Checks 23 and 43: rows follow from seed and round alone, and differ from round to round."""
    told = device_of().open_data.told
    assert torch.equal(drawn(told, 5, 0, 3), drawn(told, 5, 0, 3))
    assert not torch.equal(drawn(told, 5, 0, 3), drawn(told, 5, 0, 4))
    assert not torch.equal(drawn(told, 5, 0, 3), drawn(told, 5, 1, 3))
    for count in (0, 12, 50):
        assert drawn(told, count, 0, 1).tolist() == list(range(12))
