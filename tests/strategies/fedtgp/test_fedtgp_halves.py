"""FedTGP: whose prototypes travel, what the server keeps, and what is tested."""

import pytest
import torch

from strategies.common.class_means import class_means
from strategies.common.round import Reply
from strategies.fedtgp.wire import Prototypes
from tests.strategies import halves
from tests.strategies.fake_device import FakeDevice, blobs

OWN = {"server_epochs": 40, "server_learning_rate": 0.05}


def device_of(**settings: float) -> FakeDevice:
    x, y = blobs(6, [0, 1, 2])
    run = halves.run_of("fedtgp", learning_rate=0.1, batch_size=6, **settings)
    return FakeDevice(x, y, x, y, 4, 5, run)


@pytest.mark.parametrize("whose", ["trained", "before"])
def test_means_are_of_the_trained_model_unless_those_of_before_are_asked_for(whose: str) -> None:
    """Both codes send what the model said before the round."""
    device = device_of()
    half = halves.client("fedtgp", device.task, device.settings, prototypes=whose)
    state = half.start(device)
    before = class_means(device, state.model).rows
    sent = half.train(device, state, None).uplink.rows
    after = class_means(device, state.model).rows
    torch.testing.assert_close(sent, after if whose == "trained" else before)
    assert not torch.allclose(before, after)


def close_by(offset: float) -> Prototypes:
    rows = torch.eye(3, 5) * 0.2 + offset
    return Prototypes(rows, torch.arange(3))


def test_learnt_prototypes_lie_farther_apart_than_those_that_were_sent() -> None:
    device = device_of()
    server = halves.server("fedtgp", device.task, device.settings, **OWN)
    state = server.start()
    assert server.broadcast(state) is None
    losses = []
    for r in range(1, 9):
        replies = [Reply(0, 18, close_by(0.5)), Reply(1, 18, close_by(0.52))]
        losses.append(server.aggregate(state, r, replies).diagnostics["contrast"])
    assert losses[-1] < losses[0]
    told = server.broadcast(state)
    assert float(torch.pdist(told.rows).min()) > float(torch.pdist(close_by(0.5).rows).max())


def test_a_class_that_was_sent_once_keeps_its_prototype_and_one_that_never_was_has_none() -> None:
    device = device_of()
    server = halves.server("fedtgp", device.task, device.settings, **OWN)
    state = server.start()
    first = Prototypes(torch.eye(2, 5), torch.tensor([0, 2]))
    second = Prototypes(torch.eye(1, 5), torch.tensor([1]))
    server.aggregate(state, 1, [Reply(0, 18, first)])
    server.aggregate(state, 2, [Reply(1, 18, second)])
    assert server.broadcast(state).labels.tolist() == [0, 1, 2]
    nothing = Prototypes(torch.zeros(0, 5), torch.zeros(0, dtype=torch.int64))
    for replies in ([], [Reply(0, 18, nothing)]):
        assert server.aggregate(state, 3, replies).diagnostics == {}
    assert server.broadcast(state).labels.tolist() == [0, 1, 2]


def test_one_class_alone_takes_the_bound_and_diverging_keeps_what_there_was() -> None:
    device = device_of()
    server = halves.server("fedtgp", device.task, device.settings, server_learning_rate=1e30)
    state = server.start()
    one = Prototypes(torch.full((1, 5), 3.0), torch.tensor([1]))
    said = server.aggregate(state, 1, [Reply(0, 18, one), Reply(1, 18, close_by(1e4))])
    assert "diverged" in said.notes[0]
    assert bool(server.broadcast(state).rows.isfinite().all())
    calm = halves.server("fedtgp", device.task, device.settings, largest_margin=7.0)
    said = calm.aggregate(calm.start(), 1, [Reply(0, 18, one)])
    assert said.diagnostics["margin"] == 7.0
    assert "closest_prototypes" not in said.diagnostics


def test_heads_are_tested_at_once_and_prototypes_after_the_round() -> None:
    for inference, tested in (("prototype", "WITH_AGGREGATED"), ("head", "TRAINED")):
        both = (
            halves.client("fedtgp", inference=inference),
            halves.server("fedtgp", inference=inference),
        )
        assert [half.testing().name for half in both] == [tested, tested]
