"""What stays on the device: who starts from what, and what is refused."""

import pytest
import torch

from strategies.common.errors import StoreError
from strategies.common.transport.state import load_tensors, to_tensors
from strategies.mocosfl.private import MocoSFLClientState, frozen_models

CPU = torch.device("cpu")
FRONT = torch.tensor([1.0, 2.0])


def fresh(count: int = 3) -> MocoSFLClientState:
    return MocoSFLClientState(torch.zeros(count, dtype=torch.int64), None, None)


def trained() -> MocoSFLClientState:
    """Client 1 of three has taken four steps."""
    state = fresh()
    models = state.models(torch.tensor([1]), FRONT, None, CPU)
    models.taken += 4
    models.momentum += 10
    models.velocity += 5
    state.keep([1], models)
    return state


def test_at_first_momentum_models_equal_the_online_ones() -> None:
    models = fresh().models(torch.tensor([0, 2]), FRONT, None, CPU)

    assert models.online.tolist() == models.momentum.tolist() == [[1, 2], [1, 2]]
    assert not models.velocity.any()
    # Apart in memory: one moves without the other.
    models.online.add_(1)
    assert models.momentum.tolist() == [[1, 2], [1, 2]]


def test_a_client_goes_on_from_its_own_and_a_new_one_from_the_average() -> None:
    models = trained().models(torch.tensor([0, 1]), FRONT + 1, None, CPU)

    assert models.online.tolist() == [[2, 3], [2, 3]]
    assert models.momentum.tolist() == [[2, 3], [11, 12]]
    assert models.velocity.tolist() == [[0, 0], [5, 5]]
    assert models.taken.tolist() == [0, 4]


def test_averaged_momentum_replaces_all() -> None:
    models = trained().models(torch.tensor([0, 1]), FRONT, FRONT - 1, CPU)

    assert models.momentum.tolist() == [[0, 1], [0, 1]]
    assert models.velocity.tolist() == [[0, 0], [5, 5]]


def test_it_survives_the_store() -> None:
    state, other = trained(), fresh()
    load_tensors(other, to_tensors(state))

    rows = torch.tensor([0, 1, 2])
    one, two = (own.models(rows, FRONT, None, CPU) for own in (state, other))
    assert torch.equal(one.momentum, two.momentum)
    assert torch.equal(one.velocity, two.velocity)
    assert torch.equal(one.taken, two.taken)
    load_tensors(other, to_tensors(fresh()))
    assert other.momentum is None


@pytest.mark.parametrize(("clients", "parameters"), [(2, 2), (3, 5)])
def test_a_state_of_other_settings_is_refused(clients: int, parameters: int) -> None:
    with pytest.raises(StoreError, match=f"expected {clients} clients of {parameters}"):
        trained().require(clients, parameters)
    trained().require(3, 2)
    fresh().require(3, 2)


def test_frozen_clients_share_one_model() -> None:
    models = frozen_models(FRONT, 3, CPU)
    assert models.online is models.momentum
    assert models.online.tolist() == [[1, 2]]
