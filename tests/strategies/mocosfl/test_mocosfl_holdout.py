"""Which samples are held out."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from strategies.mocosfl.features import bank_and_holdout


@given(st.integers(2, 60), st.floats(0.01, 0.99), st.integers(0, 3), st.integers(0, 3))
def test_every_sample_is_in_one_part_and_none_is_empty(
    samples: int, fraction: float, seed: int, client: int
) -> None:
    bank, holdout = bank_and_holdout(samples, fraction, seed, client)

    assert sorted([*bank.tolist(), *holdout.tolist()]) == list(range(samples))
    assert min(len(bank), len(holdout)) >= 1
    assert abs(len(holdout) - fraction * samples) <= 1
    again = bank_and_holdout(samples, fraction, seed, client)
    assert torch.equal(again[0], bank)


def test_other_clients_hold_out_others() -> None:
    assert (
        bank_and_holdout(50, 0.1, 0, 0)[1].tolist() != bank_and_holdout(50, 0.1, 0, 1)[1].tolist()
    )
