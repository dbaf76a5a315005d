"""FedKTL's server with clients: several rounds of a tiny federation."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch

from strategies.common.inputs import Images
from strategies.common.task import Task
from strategies.common.wire import decode, encode
from strategies.fedktl.server import FedKTLServer
from strategies.fedktl.wire import ImageVectorPairs, Prototypes
from tests.strategies.fake_device import FakeDevice, blobs
from tests.strategies.halves import client, replies, run_of, server

TASK = Task(num_classes=5, inputs=Images(1, 4, 4), feature_dim=12)


def play(devices: Sequence[FakeDevice], rounds: int) -> tuple[list[float], list[dict[str, float]]]:
    """Play rounds over the wire's bytes; return each client's last accuracy and all losses."""
    task, run = devices[0].task, devices[0].settings
    there: FedKTLServer = server("fedktl", task, run)
    here = client("fedktl", task, run, **resolved_names(there))
    standing = there.start()
    states = [here.start(device) for device in devices]
    losses: list[dict[str, float]] = []
    correct: list[float] = []
    for round_number in range(1, rounds + 1):
        uplinks, correct = {}, []
        for number, device in enumerate(devices):
            now = replace(device, round_number=round_number)
            pairs = there.broadcast(standing)
            if pairs is not None:
                blob = encode(pairs, "float32")
                pairs = decode(ImageVectorPairs, blob, here.agreed, sender="server")
            trained = here.train(now, states[number], pairs)
            assert trained.uplink is not None
            losses.append(dict(trained.losses))
            blob = encode(trained.uplink, "float32")
            uplinks[number] = decode(Prototypes, blob, there.agreed, sender=f"client {number}")
            tested = here.evaluate(now, states[number], pairs)
            correct.append(tested.correct / len(device.test))
        told = there.aggregate(standing, round_number, replies(uplinks))
        assert all(torch.isfinite(torch.tensor(list(told.diagnostics.values()))))
    return correct, losses


def resolved_names(half: FedKTLServer) -> Mapping[str, float | str]:
    """Return what a server resolves, as it travels to the devices."""
    found = half.resolved()
    assert all(key.startswith("fedktl.") for key in found)
    return found


def a_client(partition: int, held: Sequence[int], width: int) -> FakeDevice:
    run = run_of("fedktl", local_epochs=3)
    inputs, labels = blobs(20, held, seed=partition)
    test_inputs, test_labels = blobs(10, held, seed=100 + partition)
    return FakeDevice(inputs, labels, test_inputs, test_labels, 5, width, run, partition=partition)


def test_three_rounds_of_unlike_clients() -> None:
    # Unlike widths of features; class 4 belongs to nobody.
    devices = [
        a_client(partition, held, width)
        for partition, (held, width) in enumerate([([0, 1, 2], 12), ([2, 3], 20), ([0, 3], 16)])
    ]

    played = [play(devices, rounds=3) for _ in range(2)]

    accuracies, losses = played[0]
    assert min(accuracies) > 0.9
    assert all("transfer" not in line for line in losses[:3])
    assert all(line["transfer"] > 0 for line in losses[3:])
    # Another go with the same seed is the same to the last bit.
    assert played[1] == played[0]


def test_a_single_client_and_the_cloud() -> None:
    (accuracy,), losses = play([a_client(0, range(5), 12)], rounds=3)

    assert accuracy > 0.9
    assert losses[-1]["transfer"] > 0
