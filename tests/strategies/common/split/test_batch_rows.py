"""Batches of a client: a pure function of the step that leaves no sample out for long."""

from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from strategies.common.split.batches import rows, steps_per_pass


@settings(max_examples=40, deadline=None)
@given(
    num_samples=st.integers(1, 40),
    batch=st.integers(1, 12),
    passed=st.integers(0, 3),
    client=st.integers(0, 5),
)
def test_a_pass_shows_a_sample_once_at_most(
    num_samples: int, batch: int, passed: int, client: int
) -> None:
    steps = steps_per_pass(num_samples, batch)
    first = passed * steps + 1
    drawn = [rows(num_samples, batch, first + step, 3, client) for step in range(steps)]
    counts = torch.cat(drawn).bincount(minlength=num_samples)
    assert all(len(part) == batch for part in drawn)
    assert len(counts) == num_samples
    if batch <= num_samples:
        # All full batches of one order: only a remainder smaller than a batch is left out.
        assert int(counts.max()) == 1
        assert int((counts == 0).sum()) == num_samples % batch
    else:
        assert int(counts.max()) - int(counts.min()) <= 1


def test_a_step_needs_no_history() -> None:
    forwards = [rows(10, 3, step, 0, 1).tolist() for step in range(1, 9)]
    backwards = [rows(10, 3, step, 0, 1).tolist() for step in range(8, 0, -1)]
    assert forwards == backwards[::-1]


def test_passes_clients_and_seeds_have_orders_of_their_own() -> None:
    def order(step: int, seed: int, client: int) -> list[int]:
        return rows(50, 50, step, seed, client).tolist()

    orders = [order(1, 0, 0), order(2, 0, 0), order(1, 1, 0), order(1, 0, 1)]
    assert all(sorted(one) == list(range(50)) for one in orders)
    assert all(one != other for one, other in pairwise(orders))


def test_too_small_numbers_are_refused() -> None:
    for arguments in ((0, 1, 1), (1, 0, 1), (1, 1, 0)):
        with pytest.raises(ValueError, match="of at least 1"):
            rows(*arguments, 0, 0)
