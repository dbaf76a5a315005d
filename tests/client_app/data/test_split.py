from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from client_app.data import split
from strategies.common.errors import DataError
from strategies.common.settings import RunSettings


def _generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize(
    ("count", "fraction", "expected"),
    [
        (100, 0.25, (75, 25)),
        (10, 0.25, (8, 2)),  # 2.5 rounds to even
        (11, 0.25, (8, 3)),  # 2.75
        (2, 0.01, (1, 1)),  # at least one is tested on
        (2, 0.99, (1, 1)),  # and one trained on
        (1, 0.5, (1, 0)),
        (0, 0.5, (0, 0)),
    ],
)
def test_sizes(count: int, fraction: float, expected: tuple[int, int]) -> None:
    assert split.sizes(count, fraction) == expected


@given(
    st.lists(st.integers(0, 5), min_size=2, max_size=60),
    st.floats(0.01, 0.99),
    st.integers(0, 2**40),
)
@settings(max_examples=60, deadline=None)
def test_a_split_is_disjoint_complete_and_of_the_stated_size(
    labels: list[int], fraction: float, seed: int
) -> None:
    train, test = split.split(torch.tensor(labels), fraction, _generator(seed))
    assert sorted(train.tolist() + test.tolist()) == list(range(len(labels)))
    assert (len(train), len(test)) == split.sizes(len(labels), fraction)
    assert train.tolist() == sorted(train.tolist())


@given(st.lists(st.integers(4, 30), min_size=1, max_size=6), st.integers(0, 2**40))
@settings(max_examples=60, deadline=None)
def test_one_share_fits_every_class_to_half_a_sample(counts: list[int], seed: int) -> None:
    labels = torch.tensor([k for k, count in enumerate(counts) for _ in range(count)])
    train, test = split.split(labels, 0.25, _generator(seed))
    tested = labels[test].bincount(minlength=len(counts))
    trained = labels[train].bincount(minlength=len(counts))
    # The share itself may be another than the whole's, where many classes round the same way.
    pairs = list(zip(counts, tested.tolist(), strict=True))
    least = max((found - 0.5) / count for count, found in pairs)
    most = min((found + 0.5) / count for count, found in pairs)
    assert least <= most + 1e-12
    assert bool((trained > 0).all())


def test_exact_shares_of_a_hand_made_client() -> None:
    # 8 + 4 + 1 samples, 3 to test on. Standings: class 0 at 1/16, 3/16, ...; class 1 at
    # 1/8, 3/8, ...; the single one of class 2 behind all. The lowest three are 1/16, 1/8
    # and 3/16: two of class 0, one of class 1, none of class 2.
    labels = torch.tensor([0] * 8 + [1] * 4 + [2])
    for seed in range(5):
        _, test = split.split(labels, 0.25, _generator(seed))
        assert labels[test].tolist() == [0, 0, 1]


def test_which_samples_are_tested_depends_on_the_generator() -> None:
    labels = torch.zeros(40, dtype=torch.int64)
    picks = {tuple(split.split(labels, 0.25, _generator(seed))[1].tolist()) for seed in range(8)}
    assert len(picks) == 8


def test_cutting() -> None:
    assert split.cut(5, 0, _generator()).tolist() == [0, 1, 2, 3, 4]
    assert split.cut(5, 9, _generator()).tolist() == [0, 1, 2, 3, 4]
    kept = split.cut(100, 10, _generator()).tolist()
    assert len(set(kept)) == 10
    assert kept == sorted(kept)
    assert kept != list(range(10))


def test_fewest_samples(run_settings: Callable[..., RunSettings]) -> None:
    # A quarter of 14 is 3.5 and rounds to 4, which leaves 10; a quarter of 13 rounds to 3.
    chosen = run_settings(min_train_samples=10, min_test_samples=4, test_fraction=0.25)
    assert split.fewest(chosen) == 14
    # One in a thousand: 3500 are the fewest of which 4 are tested on.
    assert split.fewest(run_settings(min_test_samples=4, test_fraction=0.001)) == 3500


def test_a_limit_below_the_minimums_is_refused(run_settings: Callable[..., RunSettings]) -> None:
    chosen = run_settings(
        min_train_samples=10, min_test_samples=4, test_fraction=0.25, max_samples=13
    )
    with pytest.raises(DataError, match=r"max-samples: expected 0 or at least 14.*got 13"):
        split.fewest(chosen)


def test_a_small_client_is_named(run_settings: Callable[..., RunSettings]) -> None:
    chosen = run_settings(min_train_samples=10, min_test_samples=4)
    split.require("client 3", 10, 4, chosen, "")
    for train, test in ((9, 4), (10, 3)):
        with pytest.raises(DataError, match=f"client 3: .*got {train} and {test}; buy more, or"):
            split.require("client 3", train, test, chosen, "buy more")
