"""The guard that changes nothing."""

import torch

from strategies.common.guard import NoGuard, guard_of
from strategies.common.round import Reply
from strategies.fedproto.wire import Prototypes
from tests.strategies import halves


def test_without_a_guard_nothing_is_changed() -> None:
    sent = Prototypes(torch.ones(2, 4), torch.tensor([0, 1]), torch.tensor([3, 1]))
    randomness = torch.Generator().manual_seed(0)
    drawn = randomness.get_state()
    guard = guard_of(halves.run_of("fedproto"))

    assert isinstance(guard, NoGuard)
    assert guard.leaving(sent, randomness) is sent
    assert torch.equal(randomness.get_state(), drawn)
    assert torch.equal(sent.rows, torch.ones(2, 4))

    replies = [Reply(1, 5, sent), Reply(0, 2, sent)]
    assert guard.arrived(replies) is replies
    assert replies == [Reply(1, 5, sent), Reply(0, 2, sent)]
