"""What FedGen shares, with whom, and what it does without a sample or a label."""

import copy
from dataclasses import replace

import pytest
import torch

from strategies.common import seeds
from strategies.common.architecture import Architecture
from strategies.common.errors import ModelError, WireError
from strategies.common.knowledge_pictures import points_picture
from strategies.common.payloads import numbers_of
from strategies.common.round import Reply
from strategies.common.wire import decode, encode
from strategies.fedgen.client import weight_in
from strategies.fedgen.wire import Model
from tests.strategies import halves
from tests.strategies.fake_device import FakeDevice, blobs, tiny_body

OWN = {"hidden_dim": 8, "generator_steps": 2}


def deep(values: int, width: int) -> torch.nn.Module:
    return torch.nn.Sequential(tiny_body(values, 6), torch.nn.Linear(6, width), torch.nn.ReLU())


def device_of(k: int = 0, samples: int = 6, round_number: int = 2, **run: float) -> FakeDevice:
    x, y = blobs(samples, [0, 1, 2])
    settings = halves.run_of("fedgen", **{"feature_dim": 5, "batch_size": 6, **run})
    body = deep if k else tiny_body
    return FakeDevice(x, y, x, y, 4, 5, settings, round_number=round_number, partition=k, body=body)


def test_weights_of_generated_features_fall_to_the_least() -> None:
    """Check 33: 10 in the code's round 0, less each round, never below 1e-4."""
    assert [weight_in(r) for r in (1, 2, 3)] == pytest.approx([10.0, 9.8, 9.604])
    assert weight_in(1000) == 1e-4
    assert all(weight_in(r + 1) <= weight_in(r) for r in range(1, 700))


def test_only_the_codes_first_20_steps_are_taught() -> None:
    """Check 33: none after local step 20, and none before there is a generator."""
    short, long = device_of(local_epochs=6), device_of(local_epochs=60)
    for mode, times in (("official", 10), ("paper", 1)):
        half = halves.client("fedgen", short.task, short.settings, mode=mode, **OWN)
        server = halves.server("fedgen", short.task, short.settings, mode=mode, **OWN)
        state = half.start(short)
        first = half.train(short, state, None)
        assert first.losses.keys() == {"total"}
        kept, own = server.start(), Architecture.of(state.model)
        assert server.shared(kept, own) is None
        server.aggregate(kept, 1, [Reply(0, 18, first.uplink, own)])
        lesson = server.shared(kept, own)
        few = half.train(short, half.start(short), lesson).losses["generated"]
        many = half.train(long, half.start(long), lesson).losses["generated"]
        # 18 steps, all taught; and 180, of which 20 are, in a mean over all of them.
        assert (many < few / 4) is (times == 10)


def test_heads_alone_leave_extractors_their_own() -> None:
    """Check 36: unlike models share a head, and nothing else."""
    devices = [device_of(0), device_of(1)]
    run = devices[0].settings
    server = halves.server("fedgen", devices[0].task, run, sharing="head", **OWN)
    clients = [halves.client("fedgen", one.task, run, sharing="head", **OWN) for one in devices]
    states = [half.start(one) for half, one in zip(clients, devices, strict=True)]
    own = [Architecture.of(state.model, f"model {k}") for k, state in enumerate(states)]
    server.check_clients(dict(enumerate(own)))
    whole = halves.server("fedgen", devices[0].task, run, sharing="full", **OWN)
    with pytest.raises(ModelError, match=r'or set fedgen\.sharing="head"'):
        whole.check_clients({0: own[0], 1: Architecture.of(states[1].model.head)})
    sent = [
        half.train(one, state, None).uplink
        for half, one, state in zip(clients, devices, states, strict=True)
    ]
    assert [len(one.parameters) for one in sent] == [4 * 6, 4 * 6]
    assert [len(one.statistics) for one in sent] == [0, 0]
    kept = server.start()
    said = server.aggregate(kept, 1, [Reply(k, 18, sent[k], own[k]) for k in range(2)])
    assert said.notes == ()
    lessons = [server.shared(kept, one) for one in own]
    mean = (sent[0].parameters + sent[1].parameters) / 2
    for k in range(2):
        bodies = copy.deepcopy(states[k].model.body.state_dict())
        tested = clients[k].classifier(devices[k], states[k], lessons[k])
        torch.testing.assert_close(numbers_of(tested.head)[0], mean)
        torch.testing.assert_close(states[k].model.body.state_dict(), bodies, rtol=0, atol=0)


@pytest.mark.parametrize("mode", ["paper", "official"])
def test_a_label_that_nobody_holds_is_never_drawn_and_few_samples_do(mode: str) -> None:
    """Check 37: class 3 of 4 is nobody's; clients have fewer samples than a batch."""
    device = device_of(samples=1, batch_size=32)
    half = halves.client("fedgen", device.task, device.settings, mode=mode, **OWN)
    server = halves.server("fedgen", device.task, device.settings, mode=mode, **OWN)
    state, kept = half.start(device), server.start()
    own = Architecture.of(state.model)
    server.aggregate(kept, 1, [Reply(0, 3, half.train(device, state, None).uplink, own)])
    assert kept.prior.tolist() == pytest.approx([1 / 3, 1 / 3, 1 / 3, 0.0])
    assert "generated" in half.train(device, state, server.shared(kept, own)).losses


def test_the_generator_goes_on_from_round_to_round() -> None:
    device = device_of()
    model = device.build_model()
    own = Architecture.of(model)
    sent = Model.of(model, labels=torch.tensor([0, 1]), counts=torch.tensor([9, 9]))
    ends = []
    for rounds in (1, 2):
        server = halves.server("fedgen", device.task, device.settings, **OWN)
        state = server.start()
        for number in range(1, rounds + 1):
            server.aggregate(state, number, [Reply(0, 18, sent, own)])
        ends.append(state)
    assert not torch.equal(ends[0].generator, ends[1].generator)
    steps = [state.moments["generator/layers.0.weight/step"].item() for state in ends]
    assert steps == [2.0, 4.0]


def test_the_picture_is_of_the_generator_as_clients_use_it() -> None:
    """In evaluation mode: what it measured while it learnt, and not this picture's own batch."""
    device = device_of(evaluate_every=1)
    model = device.build_model()
    server = halves.server("fedgen", device.task, device.settings, **OWN)
    state, own = server.start(), Architecture.of(model)
    sent = Model.of(model, labels=torch.tensor([0, 1]), counts=torch.tensor([9, 9]))
    (picture,) = server.aggregate(state, 1, [Reply(0, 18, sent, own)]).pictures
    told = server.shared(state, own)
    assert told is not None
    generator = told.built_generator(server.agreed).eval()
    labels = torch.tensor([0, 1]).repeat_interleave(30)
    order = seeds.generator(device.settings.seed, "pictures", round_number=1)
    with torch.inference_mode():
        _, features = generator.drawn(labels, server.settings, order)
    assert torch.equal(picture.pixels, points_picture(features, labels))


def test_a_client_that_counts_nothing_is_refused_by_name() -> None:
    device = device_of()
    model, none = device.build_model(), torch.zeros(0, dtype=torch.int64)
    known = halves.agreed("fedgen", device.task, device.settings, **OWN)
    empty = encode(Model.of(model, labels=none, counts=none), "float32")
    with pytest.raises(WireError, match=r"client 3: fedgen\.model\.counts: expected at least one"):
        decode(Model, empty, replace(known, architecture=Architecture.of(model)), sender="client 3")
