"""Derived randomness: the same for the same place, another for any other."""

import random
from itertools import product

import numpy as np
import pytest
import torch

from strategies.common import seeds


def test_the_same_place_gives_the_same_numbers() -> None:
    one = seeds.generator(7, "batches", round_number=2, partition=3)
    two = seeds.generator(7, "batches", round_number=2, partition=3)
    assert torch.equal(torch.randperm(100, generator=one), torch.randperm(100, generator=two))
    assert one.device.type == "cpu"


def test_a_seed_is_the_beginning_of_a_sha256() -> None:
    """``printf 0/batches/1/2 | sha256sum`` begins so; another number changes every result."""
    derived = seeds.derive(0, "batches", round_number=1, partition=2)
    assert derived == 0x156E292E639835DD // 2


def test_every_other_place_gives_other_numbers() -> None:
    places = list(product((0, 1, 12), ("batches", "split"), (0, 1, 2, 11), (-1, 0, 1, 2, 11)))
    derived = {
        seeds.derive(seed, purpose, round_number=round_number, partition=partition)
        for seed, purpose, round_number, partition in places
    }
    assert len(derived) == len(places)
    assert all(0 <= value < 2**63 for value in derived)


def test_streams_of_neighbouring_places_are_not_alike() -> None:
    draws = torch.stack(
        [
            torch.randn(2000, generator=seeds.generator(0, "noise", round_number=r, partition=p))
            for r, p in product(range(3), range(3))
        ]
    )
    correlations = torch.corrcoef(draws) - torch.eye(9)
    # Of independent streams, 36 correlations with a deviation of 1/sqrt(2000) = 0.022 each.
    assert correlations.abs().max() < 5 * 0.0224


def test_nothing_is_drawn_from_a_global_generator() -> None:
    before = (torch.get_rng_state(), random.getstate(), np.random.get_state()[1].copy())
    torch.rand(3, generator=seeds.generator(0, "batches"))
    seeds.derive(0, "model")
    assert torch.equal(torch.get_rng_state(), before[0])
    assert random.getstate() == before[1]
    assert np.array_equal(np.random.get_state()[1], before[2])


def test_a_seeded_block_repeats_itself_and_leaves_no_trace() -> None:
    torch.rand(3)  # so that the state is not that of a fresh seed
    before = torch.get_rng_state()
    with seeds.seeded(5):
        first = torch.nn.Linear(4, 4).weight.detach()
    with seeds.seeded(5):
        second = torch.nn.Linear(4, 4).weight.detach()
    with seeds.seeded(6):
        third = torch.nn.Linear(4, 4).weight.detach()
    assert torch.equal(first, second)
    assert not torch.equal(first, third)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_seeded_block_leaves_no_trace_when_it_fails() -> None:
    before = torch.get_rng_state()
    with pytest.raises(RuntimeError, match="shape"), seeds.seeded(5):
        torch.rand(3).reshape(2, 2)
    assert torch.equal(torch.get_rng_state(), before)


def test_the_largest_seeds_are_valid() -> None:
    with seeds.seeded(2**63 - 1):
        torch.rand(1)
    assert seeds.generator(2**63 - 1, "batches").initial_seed() < 2**63
