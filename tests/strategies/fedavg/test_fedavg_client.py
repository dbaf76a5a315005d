"""FedAvg on a device: where it starts, what it sends, and which model it tests."""

import pytest
import torch
from torch import nn

from strategies.common import seeds
from strategies.common.model import FeatureModel
from strategies.fedavg.wire import Model
from tests.strategies import halves
from tests.strategies.fake_device import FakeDevice, blobs


def with_batch_norm(values: int, width: int) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(values, width), nn.BatchNorm1d(width), nn.ReLU())


def device_of(partition: int = 0, seed: int = 0, **settings: float) -> FakeDevice:
    x, y = blobs(6, [0, 1, 2], seed=seed)
    run = halves.run_of("fedavg", learning_rate=0.1, batch_size=6, **settings)
    return FakeDevice(x, y, x, y, 3, 5, run, partition=partition, body=with_batch_norm)


def other_model(device: FakeDevice) -> FeatureModel:
    with seeds.seeded(99):
        model = FeatureModel(with_batch_norm(16, 5), body_width=5, feature_dim=5, num_classes=3)
        model.body[2].running_mean.normal_()
        model.body[2].running_var.uniform_(1, 2)
    return model


def test_all_clients_of_an_architecture_start_alike_whatever_their_number() -> None:
    states = []
    for partition in (0, 3):
        device = device_of(partition)
        states.append(halves.client("fedavg", device.task).start(device).model.state_dict())
    torch.testing.assert_close(states[0], states[1], rtol=0, atol=0)


def test_weights_and_statistics_travel_there_and_back() -> None:
    """Check 38 of federated distillation: batch normalisation's statistics are exchanged."""
    device = device_of()
    there, here = other_model(device), device.build_model()
    sent = Model.of(there)
    # 16 x 5 + 5, 2 x 5 of batch normalisation, 5 x 3 + 3; its mean and variance.
    assert (sent.parameters.shape, sent.statistics.shape) == ((113,), (10,))
    sent.into(here)
    kept = {n: v for n, v in there.state_dict().items() if not n.endswith("num_batches_tracked")}
    arrived = here.state_dict()
    torch.testing.assert_close({n: arrived[n] for n in kept}, kept, rtol=0, atol=0)


def test_a_round_begins_with_the_mean_and_ends_with_what_was_learnt() -> None:
    device = device_of()
    half = halves.client("fedavg", device.task, device.settings)
    state, mean = half.start(device), other_model(device)
    trained = half.train(device, state, Model.of(mean))
    assert trained.losses.keys() == {"total"}
    torch.testing.assert_close(trained.uplink, Model.of(state.model))
    # Three steps of 0.1 lead away from the mean, but not as far as to where the client began.
    moved = (trained.uplink.parameters - Model.of(mean).parameters).norm()
    began = Model.of(half.start(device).model).parameters
    assert 0 < float(moved) < float((trained.uplink.parameters - began).norm())


@pytest.mark.parametrize(("test", "tested"), [("aggregated", "mean"), ("trained", "own")])
def test_the_mean_is_tested_unless_what_was_made_of_it_is_asked_for(test: str, tested: str) -> None:
    device = device_of()
    half = halves.client("fedavg", device.task, device.settings, test=test)
    state, mean = half.start(device), other_model(device)
    expected = Model.of(mean if tested == "mean" else state.model)
    assert half.testing().name == {"mean": "WITH_AGGREGATED", "own": "TRAINED"}[tested]
    classifier = half.classifier(device, state, Model.of(mean))
    torch.testing.assert_close(Model.of(classifier), expected, rtol=0, atol=0)


def test_a_larger_proximal_weight_keeps_a_client_closer() -> None:
    moved = []
    for weight in (0.0, 1.0, 5.0):
        device = device_of(local_epochs=5)
        half = halves.client("fedavg", device.task, device.settings, proximal_weight=weight)
        state = half.start(device)
        began = Model.of(state.model).parameters
        trained = half.train(device, state, None)
        moved.append(float((trained.uplink.parameters - began).norm()))
        assert ("proximal" in trained.losses) == (weight > 0)
    assert moved[0] > moved[1] > moved[2] > 0


def test_moments_of_weights_that_are_gone_do_not_move_those_that_came() -> None:
    device = device_of(momentum=0.9)
    half = halves.client("fedavg", device.task, device.settings)
    mean = Model.of(other_model(device))
    fresh, stale = half.start(device), half.start(device)
    half.train(device, stale, None)
    assert stale.moments
    for state in (fresh, stale):
        half.train(device, state, mean)
    torch.testing.assert_close(
        Model.of(fresh.model).parameters, Model.of(stale.model).parameters, rtol=0, atol=0
    )
