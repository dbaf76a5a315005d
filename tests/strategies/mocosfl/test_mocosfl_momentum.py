"""The momentum update by hand, and in its closed form."""

import pytest
import torch
from torch import nn

from strategies.mocosfl.network import follow


def test_one_step_by_hand() -> None:
    slow, fast = torch.tensor([1.0, 2.0]), torch.tensor([3.0, -2.0])

    follow([slow], [fast], 0.75)

    assert torch.equal(slow, torch.tensor([1.5, 1.0]))
    assert torch.equal(fast, torch.tensor([3.0, -2.0]))


def test_a_model_that_stands_still_is_reached_by_powers() -> None:
    slow, fast = nn.Linear(3, 2), nn.Linear(3, 2)
    start = slow.weight.detach().clone()

    for _ in range(10):
        follow(slow.parameters(), fast.parameters(), 0.9)

    expected = fast.weight + 0.9**10 * (start - fast.weight)
    torch.testing.assert_close(slow.weight, expected)
    assert slow.weight.grad_fn is None


@pytest.mark.parametrize(("keep", "moves"), [(1.0, False), (0.0, True)])
def test_the_ends_of_the_range(keep: float, moves: bool) -> None:
    slow, fast = torch.zeros(2), torch.ones(2)
    follow([slow], [fast], keep)
    assert torch.equal(slow, fast) is moves
