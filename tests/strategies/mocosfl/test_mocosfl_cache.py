"""What is kept of steps, and in which order it comes again."""

import pytest
import torch
from torch import Tensor

from strategies.mocosfl.cache import Cache, Recorder, replayed_place


def views(start: float, batch: int) -> tuple[Tensor, Tensor]:
    """Return query and key activations (batch, 1, 2) of which every number is its own."""
    query = start + torch.arange(2.0 * batch).view(batch, 1, 2)
    return query, -query


def recorded() -> Cache:
    """Keep two steps of two cohorts, with client 5 late in the first, and one of another round."""
    first, second = Recorder(), Recorder()
    first.add(1, 0, (2, 5), {2: views(10, 2)})
    first.add(1, 1, (3,), {3: views(20, 2)})
    first.add(2, 0, (2, 5), {2: views(30, 2), 5: views(40, 2)})
    first.add(2, 1, (3,), {})
    second.add(3, 0, (0, 7), {0: views(50, 3), 7: views(60, 3)})
    cache = second.appended_to(first.appended_to(None))
    assert cache is not None
    return cache


@pytest.mark.parametrize("stored", [False, True])
def test_steps_come_back_as_they_took_place(stored: bool) -> None:
    cache = recorded()
    if stored:
        cache = Cache(cache.activations.clone(), cache.seats.clone())
    told = {
        0: (2, ((2, 5), (3,)), ({2: views(10, 2)}, {3: views(20, 2)})),
        1: (2, ((2, 5), (3,)), ({2: views(30, 2), 5: views(40, 2)}, {})),
        2: (3, ((0, 7),), ({0: views(50, 3), 7: views(60, 3)},)),
    }
    assert len(cache) == len(told)
    for place, (batch, cohorts, arrived) in told.items():
        step = cache.step(place)
        assert (step.batch, step.cohorts) == (batch, cohorts)
        assert [list(own) for own in step.arrived] == [list(own) for own in arrived]
        for own, expected in zip(step.arrived, arrived, strict=True):
            for client, tensors in own.items():
                assert all(map(torch.equal, tensors, expected[client]))


def test_bytes_are_those_of_both_views() -> None:
    # Clients' samples: 2 + 2, then 2 + 2, then 3 + 3; two views of two float32 each.
    cache = recorded()
    assert cache.activations.shape == (14, 2, 1, 2)
    assert cache.num_bytes == 14 * 2 * 2 * 4


def test_what_is_kept_does_not_share_memory_with_what_arrived() -> None:
    query, key = views(1, 2)
    recorder = Recorder()
    recorder.add(1, 0, (0,), {0: (query, key)})
    query.zero_()
    cache = recorder.appended_to(None)
    assert cache is not None
    assert torch.equal(cache.step(0).arrived[0][0][0], views(1, 2)[0])


def test_a_session_in_which_nothing_arrived_adds_nothing() -> None:
    empty = Recorder()
    empty.add(1, 0, (0, 1), {})
    cache = recorded()
    assert empty.appended_to(None) is None
    assert empty.appended_to(cache) is cache


def test_every_pass_goes_through_all_kept_steps_in_an_order_of_its_own() -> None:
    passes = [[replayed_place(6, 6 * n + step, 3) for step in range(1, 7)] for n in range(1, 5)]
    assert all(sorted(order) == list(range(6)) for order in passes)
    assert len(set(map(tuple, passes))) == 4
    assert passes != [[replayed_place(6, 6 * n + s, 4) for s in range(1, 7)] for n in range(1, 5)]
