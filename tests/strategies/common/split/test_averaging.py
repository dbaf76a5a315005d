"""The mean over those who sent weights: all of them, and nobody else."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from strategies.common.split.averaging import average


def test_it_weighs_by_samples_when_asked() -> None:
    weights = {4: torch.tensor([0.0, 8.0]), 9: torch.tensor([4.0, 0.0])}
    assert average(weights).tolist() == [2.0, 4.0]
    assert average(weights, {4: 1, 9: 3}).tolist() == [3.0, 2.0]


@settings(max_examples=50, deadline=None)
@given(data=st.data())
def test_it_is_the_mean_of_exactly_the_pool_in_any_order(data: st.DataObject) -> None:
    pool = data.draw(st.lists(st.integers(0, 99), min_size=1, max_size=8, unique=True))
    samples = {client: data.draw(st.integers(1, 1000)) for client in pool}
    generator = torch.Generator().manual_seed(len(pool))
    weights = {client: torch.randn(5, generator=generator) for client in pool}
    shuffled = {client: weights[client] for client in data.draw(st.permutations(pool))}
    # Clients outside of the pool weigh nothing, and client 0 is a client like any other.
    mean = average(weights, {**samples, 100: 10**6})
    assert torch.equal(mean, average(shuffled, samples))
    plain = sum(samples[c] * weights[c].double() for c in pool) / sum(samples.values())
    torch.testing.assert_close(mean, torch.as_tensor(plain).float())


def test_equal_weights_stay_as_they_are() -> None:
    # In float32, the sum of 1000 times 0.1 is off by a part in 10^5.
    same = {client: torch.tensor([0.1, -3e-30]) for client in range(1000)}
    assert torch.equal(average(same), same[0])


def test_moving_all_models_moves_their_mean_as_far() -> None:
    # Five of twenty clients move by 1: an average that held a stale model would move by 0.8.
    moved = {client: torch.full((3,), 3.0) + 1 for client in (2, 5, 7, 11, 19)}
    assert average(moved).tolist() == [4.0, 4.0, 4.0]


def test_nothing_and_weightless_clients_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one client, got none"):
        average({})
    for samples in ({1: 3}, {1: 3, 2: 0}):
        with pytest.raises(ValueError, match=r"got none of \[2\]"):
            average({1: torch.ones(1), 2: torch.ones(1)}, samples)
