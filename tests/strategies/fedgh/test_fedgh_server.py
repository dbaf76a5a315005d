"""FedGH on the server: a head that does learn, from round 1 on, and survives bad rounds."""

import torch

from strategies.common.round import Reply
from strategies.fedgh.wire import Head, Means
from tests.strategies import halves
from tests.strategies.fake_device import FakeDevice, blobs


def device_of() -> FakeDevice:
    x, y = blobs(6, [0, 1, 2])
    return FakeDevice(x, y, x, y, 3, 4, halves.run_of("fedgh"))


def apart() -> Means:
    return Means(torch.eye(3, 4) * 2, torch.arange(3))


def test_all_begin_with_one_head_that_the_seed_decides() -> None:
    task = device_of().task
    first, again, other = (
        halves.server("fedgh", task, halves.run_of("fedgh", seed=seed)) for seed in (0, 0, 1)
    )
    heads = [half.broadcast(half.start()).parameters for half in (first, again, other)]
    assert torch.equal(heads[0], heads[1])
    assert not torch.equal(heads[0], heads[2])
    assert len(heads[0]) == 3 * (4 + 1)


def test_the_head_learns_what_means_stand_for() -> None:
    """The authors' code steps another optimiser, and its head stays where it was."""
    half = halves.server(
        "fedgh", device_of().task, device_of().settings, server_epochs=50, server_learning_rate=0.5
    )
    state = half.start()
    before = half.broadcast(state).parameters
    said = half.aggregate(state, 1, [Reply(0, 18, apart()), Reply(1, 18, apart())])
    assert not torch.equal(half.broadcast(state).parameters, before)
    assert said.diagnostics["head_right"] == 1
    assert said.diagnostics["head_loss"] < 1
    assert said.notes == ()


def test_a_silent_round_keeps_the_head_and_one_that_diverges_too() -> None:
    half = halves.server(
        "fedgh", device_of().task, device_of().settings, server_epochs=5, server_learning_rate=1e30
    )
    state = half.start()
    before = half.broadcast(state).parameters
    nothing = Means(torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64))
    for replies in ([], [Reply(0, 18, nothing)]):
        assert half.aggregate(state, 1, replies).diagnostics == {}
    assert torch.equal(half.broadcast(state).parameters, before)
    huge = Means(torch.eye(3, 4) * 1e10, torch.arange(3))
    said = half.aggregate(state, 2, [Reply(0, 18, huge)])
    assert torch.equal(half.broadcast(state).parameters, before)
    assert said.notes == (
        "fedgh: the server's training diverged at fedgh.server-learning-rate=1e+30 and was left "
        "out of this round; lower it",
    )


def test_its_clients_are_tested_with_it() -> None:
    device = device_of()
    half = halves.client("fedgh", device.task, device.settings)
    assert half.testing().name == "WITH_AGGREGATED"
    state = half.start(device)
    sent = Head(torch.linspace(-1, 1, 15))
    assert torch.equal(
        Head.of(half.classifier(device, state, sent).head).parameters, sent.parameters
    )


def test_means_tell_no_counts() -> None:
    device = device_of()
    half = halves.client("fedgh", device.task, device.settings)
    assert half.tells_class_counts(half.settings) == ""
