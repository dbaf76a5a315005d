"""Which samples are held out."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from strategies.mocosfl.features import bank_and_holdout, without_copies


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


def test_what_is_held_out_is_no_copy_of_what_it_is_compared_with() -> None:
    inputs = torch.tensor([7, 1, 7, 2, 3, 3], dtype=torch.uint8).view(-1, 1, 1)
    bank, holdout = without_copies(inputs, torch.tensor([0, 1]), torch.tensor([2, 3, 4, 5]))
    # Row 2 shows what row 0 does; rows 4 and 5 are copies that are both held out.
    assert bank.tolist() == [0, 1, 2]
    assert holdout.tolist() == [3, 4, 5]
    alike = torch.zeros(4, 1, 1)
    bank, holdout = without_copies(alike, torch.tensor([1, 3]), torch.tensor([0, 2]))
    assert (bank.tolist(), holdout.tolist()) == ([0, 1, 2, 3], [])
