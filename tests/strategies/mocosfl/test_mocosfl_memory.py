"""The memory by hand: order, wrap-around, more keys than rows."""

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from strategies.mocosfl.network import Memory


def memory(size: int, dim: int = 2) -> Memory:
    return Memory(size, dim, torch.Generator().manual_seed(0))


def rows(*values: float) -> Tensor:
    return torch.tensor([[value, -value] for value in values], dtype=torch.float32)


def test_it_starts_with_unit_vectors_of_its_seed() -> None:
    one = memory(50, 16)

    torch.testing.assert_close(one.rows.norm(dim=1), torch.ones(50))
    assert torch.equal(one.rows, memory(50, 16).rows)
    assert len(one.keys()) == 0
    # Directions all over the space: their mean is near the origin.
    assert one.rows.mean(0).norm() < 0.3


def test_keys_go_over_the_oldest_rows_and_wrap() -> None:
    ring = memory(3)
    first = ring.rows.clone()

    ring.enqueue(rows(1, 2))
    assert torch.equal(ring.rows, torch.cat([rows(1, 2), first[2:]]))
    assert torch.equal(ring.keys(), rows(1, 2))
    ring.enqueue(rows(3, 4))
    assert torch.equal(ring.rows, rows(4, 2, 3))
    assert int(ring.written) == 4
    assert len(ring.keys()) == 3


def test_of_too_many_keys_the_last_stay() -> None:
    ring = memory(3)
    ring.enqueue(rows(1))
    ring.enqueue(rows(2, 3, 4, 5, 6))

    # Six keys were written: the fourth to the sixth, the fourth at place 0.
    assert torch.equal(ring.rows, rows(4, 5, 6))


@given(st.integers(1, 7), st.lists(st.integers(0, 9), max_size=6))
def test_it_holds_the_last_keys_each_at_its_place(size: int, lengths: list[int]) -> None:
    ring, plain = memory(size), list(memory(size).rows)
    written = 0
    for length in lengths:
        keys = rows(*[float(written + own) for own in range(length)]).view(-1, 2)
        ring.enqueue(keys)
        for key in keys:
            plain[written % size] = key
            written += 1
    assert torch.equal(ring.rows, torch.stack(plain))
    assert int(ring.written) == written


def test_it_survives_a_checkpoint() -> None:
    ring, other = memory(3), memory(3)
    ring.enqueue(rows(1, 2))

    other.load_state_dict(ring.state_dict())
    for each in (ring, other):
        each.enqueue(rows(3, 4))
    assert torch.equal(ring.rows, other.rows)
