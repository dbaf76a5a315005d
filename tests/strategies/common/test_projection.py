"""A projection of a client's own: whose it is, and what it is for, decide its weights."""

import torch

from strategies.common import seeds
from strategies.common.projection import own_projection
from tests.strategies import halves
from tests.strategies.fake_device import FakeDevice, blobs

INPUTS, LABELS = blobs(2, [0, 1])


def device_of(partition: int, round_number: int = 1) -> FakeDevice:
    run = halves.run_of("fedmrl", seed=3)
    return FakeDevice(
        INPUTS, LABELS, INPUTS, LABELS, 2, 4, run, round_number=round_number, partition=partition
    )


def test_weights_are_the_clients_and_the_purposes_own_in_every_round() -> None:
    layer = own_projection(device_of(0), 4, 3)
    assert layer.weight.shape == (3, 4)
    assert torch.equal(own_projection(device_of(0, 7), 4, 3).weight, layer.weight)
    for other in (
        own_projection(device_of(1), 4, 3),
        own_projection(device_of(0), 4, 3, purpose="hidden"),
    ):
        assert not torch.equal(other.weight, layer.weight)


def test_they_are_what_torch_draws_under_the_derived_seed_and_nothing_else_moves() -> None:
    before = torch.random.get_rng_state()
    layer = own_projection(device_of(2), 4, 3, purpose="hidden", bias=False)
    assert torch.equal(torch.random.get_rng_state(), before)
    with seeds.seeded(seeds.derive(3, "hidden", partition=2)):
        expected = torch.nn.Linear(4, 3, bias=False)
    assert layer.bias is None
    assert torch.equal(layer.weight, expected.weight)
