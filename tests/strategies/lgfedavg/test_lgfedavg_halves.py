"""What of a client is the federation's: its head, its head's moments, and nothing else."""

import pytest
import torch

from strategies.common.errors import ModelError
from strategies.common.task import Task
from strategies.lgfedavg.wire import Head
from tests.strategies import halves
from tests.strategies.fake_device import FakeDevice, blobs


def device_of(**settings: float) -> FakeDevice:
    x, y = blobs(6, [0, 1, 2])
    run = halves.run_of("lgfedavg", **{"learning_rate": 0.1, "batch_size": 6, **settings})
    return FakeDevice(x, y, x, y, 3, 5, run)


def other_head() -> Head:
    return Head(torch.linspace(-1, 1, 18))


def test_what_travels_is_the_head_alone() -> None:
    agreed = halves.agreed("lgfedavg", device_of().task)
    assert Head.sizes(agreed).exact == {"parameters": 3 * (5 + 1)}


@pytest.mark.parametrize(("test", "taken"), [("aggregated", True), ("trained", False)])
def test_a_test_takes_the_mean_unless_the_clients_own_head_is_asked_for(
    test: str, taken: bool
) -> None:
    device = device_of()
    half = halves.client("lgfedavg", device.task, device.settings, test=test)
    server = halves.server("lgfedavg", device.task, device.settings, test=test)
    assert half.testing() is server.testing()
    state = half.start(device)
    own = Head.of(state.model.head).parameters
    found = Head.of(half.classifier(device, state, other_head()).head).parameters
    torch.testing.assert_close(found, other_head().parameters if taken else own)
    assert bool(server.presentation({"test": test}).measurement) is taken


def test_a_round_begins_with_the_mean_and_leaves_features_to_their_client() -> None:
    device = device_of(learning_rate=1e-12)
    half = halves.client("lgfedavg", device.task, device.settings)
    state = half.start(device)
    body = [value.clone() for value in state.model.body.state_dict().values()]
    sent = half.train(device, state, other_head()).uplink
    torch.testing.assert_close(sent.parameters, other_head().parameters)
    torch.testing.assert_close(list(state.model.body.state_dict().values()), body)


def test_moments_of_a_head_that_is_gone_are_forgotten_and_those_of_features_kept() -> None:
    device = device_of(momentum=0.9)
    half = halves.client("lgfedavg", device.task, device.settings)
    state = half.start(device)
    half.train(device, state, None)
    plan = half.local_training(device, state, other_head())
    assert {name.split("/")[1].split(".")[0] for name in state.moments} == {"body"}
    assert plan.losses(device.inputs, device.labels).keys() == {"total"}


def test_clients_of_unlike_widths_are_refused_with_what_to_set() -> None:
    unlike = Task(3, device_of().task.inputs, 0)
    server = halves.server("lgfedavg", unlike, device_of().settings)
    with pytest.raises(ModelError, match=r"lgfedavg: expected features of one width.*feature-dim"):
        server.start()


def test_what_a_checkpoint_holds_is_what_is_sent() -> None:
    device = device_of()
    half = halves.client("lgfedavg", device.task, device.settings)
    state = half.start(device)
    assert half.sent_by({}, state) is None
    found = half.sent_by({"fields/parameters": other_head().parameters}, state)
    torch.testing.assert_close(found, other_head())
