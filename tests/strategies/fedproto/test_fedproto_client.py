"""The device half of FedProto: what it minimises, sends, keeps and classifies with."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from strategies.common import tensor_file
from strategies.common.errors import SettingsError
from strategies.common.settings import RunSettings
from strategies.common.transport.state import load_tensors, to_tensors
from strategies.fedproto.wire import GlobalPrototypes, Prototypes
from tests.strategies.fake_device import FakeDevice, blobs
from tests.strategies.halves import client, replies, server

WIDTH = 8


@pytest.fixture
def device(run_settings: Callable[..., RunSettings]) -> FakeDevice:
    # Class 1 of three is not held here.
    inputs, labels = blobs(12, (0, 2))
    test_inputs, test_labels = blobs(10, (0, 2), seed=1)
    settings = run_settings(learning_rate=0.05, batch_size=6, local_epochs=1)
    return FakeDevice(inputs, labels, test_inputs, test_labels, 3, WIDTH, settings)


def global_ones(*labels: int) -> GlobalPrototypes:
    return GlobalPrototypes(torch.ones(len(labels), WIDTH), torch.tensor(labels))


def whole_batch(device: FakeDevice) -> FakeDevice:
    return replace(device, settings=device.settings.model_copy(update={"batch_size": 24}))


def test_it_sends_the_means_of_the_trained_model_over_all_samples(device: FakeDevice) -> None:
    half = client("fedproto")
    state = half.start(device)
    sent = half.train(device, state, None).uplink
    assert sent is not None
    assert sent.labels.tolist() == [0, 2]
    assert sent.counts is not None
    assert sent.counts.tolist() == [12, 12]
    assert sent.counts.dtype == torch.int64
    state.model.eval()
    with torch.no_grad():
        features = state.model.features(device.inputs)
    for row, label in zip(sent.rows, (0, 2), strict=True):
        torch.testing.assert_close(row, features[device.labels == label].mean(0))


def test_the_first_round_is_local_learning(device: FakeDevice) -> None:
    half, local = client("fedproto"), client("local")
    state, alone = half.start(device), local.start(device)
    losses = half.train(device, state, None).losses
    assert losses["prototype"] == 0
    assert losses["total"] == local.train(device, alone, None).losses["total"]
    assert torch.equal(state.model.head.weight, alone.model.head.weight)


def test_the_total_loss_adds_the_weighted_pull(device: FakeDevice) -> None:
    whole = whole_batch(device)
    half = client("fedproto", proto_weight=3.0)
    state = half.start(whole)
    with torch.no_grad():
        features = state.model.features(whole.inputs)
    losses = half.train(whole, state, global_ones(0)).losses
    # Only class 0 has a prototype; the mean still runs over all 24 samples and 8 features.
    pull = (features[whole.labels == 0] - 1).square().sum().item() / (24 * WIDTH)
    assert losses["prototype"] == pytest.approx(pull, rel=1e-5)
    assert losses["total"] == pytest.approx(losses["cross_entropy"] + 3 * pull, rel=1e-5)


def test_features_move_towards_the_global_prototypes(device: FakeDevice) -> None:
    pulls = {}
    for weight in (0.0, 10.0):
        half = client("fedproto", proto_weight=weight)
        state = half.start(device)
        pulls[weight] = [
            half.train(replace(device, round_number=n), state, global_ones(0, 2)).losses
            for n in range(1, 6)
        ]
    first, last = (pulls[10.0][n]["prototype"] for n in (0, -1))
    # Some units never fire on these inputs and stay 1 away, which bounds the fall.
    assert last < 0.7 * first
    assert last < 0.7 * pulls[0.0][-1]["prototype"]


def fixed_features(values: int, width: int) -> nn.Module:
    """The first features are the inputs themselves."""
    return nn.Sequential(nn.Flatten(), nn.ConstantPad1d((0, width - values), 0.0))


def plain(run: RunSettings, train: list[float], test: list[float]) -> FakeDevice:
    """One number per sample, two of each class 0 and 2, and test samples of class 0."""
    return FakeDevice(
        inputs=torch.tensor(train).reshape(4, 1, 1, 1),
        labels=torch.tensor([0, 0, 2, 2]),
        test_inputs=torch.tensor(test).reshape(len(test), 1, 1, 1),
        test_labels=torch.zeros(len(test), dtype=torch.int64),
        num_classes=3,
        feature_dim=WIDTH,
        settings=run,
        body=fixed_features,
    )


def prototype_at(*places: tuple[int, float]) -> GlobalPrototypes:
    rows = torch.zeros(len(places), WIDTH)
    rows[:, 0] = torch.tensor([place for _, place in places])
    return GlobalPrototypes(rows, torch.tensor([label for label, _ in places]))


@pytest.mark.parametrize(
    ("downlink", "test_classes", "correct"),
    [
        # Own means are 1 (class 0) and 9 (class 2): 2 and 4 are nearest to class 0, 8 is not.
        (None, "own", 2),
        (None, "all", 2),
        # The others put class 0 at 10: now 8 is nearest to it, and so is not 2 or 4... which
        # class 2, moved to 3, takes.
        (prototype_at((0, 10.0), (2, 3.0)), "own", 1),
        (prototype_at((0, 10.0), (2, 3.0)), "all", 1),
        # Class 1 has a prototype though no sample here, and takes 4, where it competes; class 2
        # has none from the others and falls back on the own mean 9, which takes 8.
        (prototype_at((0, 1.0), (1, 4.5)), "all", 1),
        (prototype_at((0, 1.0), (1, 4.5)), "own", 2),
        # Nobody sent a class of this client.
        (prototype_at((1, 4.5)), "own", 2),
    ],
)
def test_the_nearest_prototype_of_the_classes_that_compete_decides(
    run_settings: Callable[..., RunSettings],
    downlink: GlobalPrototypes | None,
    test_classes: str,
    correct: int,
) -> None:
    device = plain(run_settings(), [0.0, 2.0, 8.0, 10.0], [2.0, 4.0, 8.0])
    half = client("fedproto", test_classes=test_classes)
    assert half.evaluate(device, half.start(device), downlink).correct == correct


def test_prototypes_are_tested_once_the_round_has_made_them_and_the_head_at_once() -> None:
    for inference, tested in (("prototype", "WITH_AGGREGATED"), ("head", "TRAINED")):
        halves = client("fedproto", inference=inference), server("fedproto", inference=inference)
        assert [half.testing().name for half in halves] == [tested, tested]


def test_counts_that_weigh_nothing_stay_on_the_device(device: FakeDevice) -> None:
    half = client("fedproto", aggregation="uniform")
    sent = half.train(device, half.start(device), None).uplink
    assert sent is not None
    assert sent.labels.tolist() == [0, 2]
    assert sent.counts is None


def test_the_loss_is_that_of_unit_gaussians(run_settings: Callable[..., RunSettings]) -> None:
    device = plain(run_settings(), [0.0, 2.0, 8.0, 10.0], [5.0])
    half = client("fedproto")
    # 5 is 4 away from both own means, 1 and 9: equal scores 0, and -1 for class 1. The loss
    # is log(2 + 1/e).
    loss = half.evaluate(device, half.start(device), None).loss
    assert loss == pytest.approx(torch.tensor(2 + torch.e**-1).log().item())


def test_the_head_decides_if_so_set(device: FakeDevice) -> None:
    half, local = client("fedproto", inference="head"), client("local")
    state, alone = half.start(device), local.start(device)
    assert half.evaluate(device, state, global_ones(0)) == local.evaluate(device, alone, None)


def test_a_client_that_never_trained_uses_means_of_its_fresh_model(device: FakeDevice) -> None:
    half = client("fedproto")
    state = half.start(device)
    evaluation = half.evaluate(device, state, None)
    # Blobs lie so far apart that even random features keep them apart.
    assert evaluation.correct >= 18


def test_a_stored_state_goes_on_where_it_stopped(device: FakeDevice, tmp_path: Path) -> None:
    half = client("fedproto")
    state = half.start(device)
    half.train(device, state, None)
    tensor_file.write(tmp_path / "state.safetensors", to_tensors(state), {})
    later = replace(device, round_number=2)
    resumed = half.start(later)
    load_tensors(resumed, tensor_file.read(tmp_path / "state.safetensors")[0])
    assert half.evaluate(later, state, None) == half.evaluate(later, resumed, None)
    downlink = global_ones(0, 1)
    first, second = half.train(later, state, downlink), half.train(later, resumed, downlink)
    assert first.losses == second.losses
    assert first.uplink is not None
    assert second.uplink is not None
    assert torch.equal(first.uplink.rows, second.uplink.rows)


def test_two_unlike_clients_agree_on_a_class(run_settings: Callable[..., RunSettings]) -> None:
    run = run_settings(learning_rate=0.05, batch_size=6, local_epochs=2)
    train, test = blobs(12, (0, 1, 2)), blobs(10, (0, 1, 2), seed=1)

    def wider(values: int, width: int) -> nn.Module:
        return nn.Sequential(
            nn.Flatten(), nn.Linear(values, 24), nn.ReLU(), nn.Linear(24, width), nn.ReLU()
        )

    devices = [FakeDevice(*train, *test, 3, WIDTH, run), FakeDevice(*train, *test, 3, WIDTH, run)]
    devices[1] = replace(devices[1], partition=1, body=wider)
    device_half, server_half = client("fedproto"), server("fedproto", devices[0].task, run)
    states, state = [device_half.start(d) for d in devices], server_half.start()
    gaps = []
    for round_number in range(1, 9):
        uplinks: dict[int, Prototypes] = {}
        correct = 0
        for partition, device in enumerate(devices):
            now = replace(device, round_number=round_number)
            sent = server_half.broadcast(state)
            uplink = device_half.train(now, states[partition], sent).uplink
            assert uplink is not None
            uplinks[partition] = uplink
            correct += device_half.evaluate(now, states[partition], sent).correct
        server_half.aggregate(state, round_number, replies(uplinks))
        gaps.append(float((uplinks[0].rows - uplinks[1].rows).norm()))
    # Unlike models start with unrelated features and end with common ones; 60 test samples.
    assert gaps[-1] < gaps[0] / 3
    assert correct >= 54


@settings(max_examples=20, deadline=None)
@given(weight=st.floats(max_value=-1e-6, allow_nan=False))
def test_a_negative_weight_is_refused(weight: float) -> None:
    with pytest.raises(SettingsError, match="proto-weight"):
        client("fedproto", proto_weight=weight)
