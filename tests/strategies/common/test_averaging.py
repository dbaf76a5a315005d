"""The mean over those who sent weights: all of them, and nobody else."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from strategies.common.averaging import average


def test_it_weighs_by_samples_when_asked() -> None:
    vectors = [torch.tensor([0.0, 8.0]), torch.tensor([4.0, 0.0])]
    assert average(vectors).tolist() == [2.0, 4.0]
    assert average(vectors, [1, 3]).tolist() == [3.0, 2.0]


@settings(max_examples=50, deadline=None)
@given(data=st.data())
def test_it_is_the_mean_of_exactly_the_pool(data: st.DataObject) -> None:
    samples = data.draw(st.lists(st.integers(1, 1000), min_size=1, max_size=8))
    generator = torch.Generator().manual_seed(len(samples))
    vectors = [torch.randn(5, generator=generator) for _ in samples]
    mean = average(vectors, samples)
    # The order is the caller's; another one changes no more than float32 can tell apart.
    order = data.draw(st.permutations(range(len(samples))))
    shuffled = average([vectors[i] for i in order], [samples[i] for i in order])
    torch.testing.assert_close(mean, shuffled, atol=1e-7, rtol=1e-6)
    weighed = [count * own.double() for count, own in zip(samples, vectors, strict=True)]
    plain = torch.stack(weighed).sum(0) / sum(samples)
    torch.testing.assert_close(mean, plain.float())


def test_equal_weights_stay_as_they_are() -> None:
    # In float32, the sum of 1000 times 0.1 is off by a part in 10^5.
    same = torch.tensor([0.1, -3e-30])
    assert torch.equal(average([same] * 1000), same)


def test_moving_all_models_moves_their_mean_as_far() -> None:
    # Five of twenty clients move by 1: an average that held a stale model would move by 0.8.
    moved = [torch.full((3,), 3.0) + 1 for _ in (2, 5, 7, 11, 19)]
    assert average(moved).tolist() == [4.0, 4.0, 4.0]


def test_nothing_and_weightless_clients_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one vector, got none"):
        average([])
    for samples in ([3], [3, 0]):
        with pytest.raises(ValueError, match=r"a positive weight for each of 2 .* got \[3"):
            average([torch.ones(1), torch.ones(1)], samples)
